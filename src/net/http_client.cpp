#include "net/http_client.hpp"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <strings.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace hufu::net {
namespace {

// Real time: these deadlines are about real sockets.
using Now = std::chrono::steady_clock;

constexpr std::size_t kMostInFlight = 256;
constexpr std::size_t kLargestHead = 64 * 1024;
/// Servers drop idle connections after some seconds; one this old is not worth the risk of losing a
/// request on it.
constexpr long kOldestIdleConnection = 5;

void prepare_libcurl() {
  static const CURLcode once = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (once != CURLE_OK) std::abort();
}

HttpOutcome failed(HttpFailure::Reach reach, std::string message) {
  return tl::unexpected(HttpFailure{reach, std::move(message)});
}

bool starts_with_any_case(std::string_view text, std::string_view start) {
  return text.size() >= start.size() && strncasecmp(text.data(), start.data(), start.size()) == 0;
}

/// A line break in a header would let its value write further headers.
bool fits_a_header(std::string_view value) {
  return std::none_of(value.begin(), value.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

/// Appends without leaving a copy behind in memory that was outgrown.
void append_wiping(std::string& text, std::string_view more) {
  if (text.size() + more.size() > text.capacity()) {
    std::string larger;
    larger.reserve(std::max(text.size() + more.size(), 2 * text.capacity()));
    larger.append(text);
    wipe(text);
    text.swap(larger);
  }
  text.append(more);
}

/// A request that waits for its turn.
struct Waiting {
  HttpRequest request;
  Done<HttpOutcome> done;
};

/// A request on its way, around an easy handle that outlives it and is used again.
class Transfer {
 public:
  Transfer() : easy_(curl_easy_init()) {
    if (easy_ == nullptr) std::abort();
    set(CURLOPT_PRIVATE, this);
    set(CURLOPT_ERRORBUFFER, error_);
    set(CURLOPT_NOSIGNAL, 1L);
    // A look-up that outlasts its request would otherwise be waited for, and everybody else with
    // it. (The name says "exit", but it is about leaving the resolver's thread to itself.)
    set(CURLOPT_QUICK_EXIT, 1L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_USERAGENT, "hufu/" HUFU_VERSION);
    set(CURLOPT_MAXAGE_CONN, kOldestIdleConnection);
    // What the request says is for the platform, not for the proxy, nor the proxy's answer for us.
    set(CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    set(CURLOPT_PREREQFUNCTION, &Transfer::on_connected);
    set(CURLOPT_PREREQDATA, this);
    set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
    set(CURLOPT_WRITEDATA, this);
    // An older libcurl at run time than at build time: without these options nothing here holds.
    if (refusal_ != CURLE_OK) std::abort();
  }
  ~Transfer() { curl_easy_cleanup(easy_); }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  [[nodiscard]] CURL* handle() const { return easy_; }
  [[nodiscard]] bool busy() const { return done_ != nullptr; }

  /// Makes the handle ready to go; false, after telling the sender, if the request cannot be sent.
  bool load(Waiting next, Milliseconds timeout) {
    request_ = std::move(next.request);
    done_ = std::move(next.done);
    refusal_ = CURLE_OK;
    response_ = {};
    head_size_ = 0;
    head_is_whole_ = false;
    connected_ = false;
    size_before_ = 0;
    error_[0] = '\0';

    std::string url(request_.url.reveal());
    set(CURLOPT_URL, url.c_str());
    // An empty name switches every proxy off, a null pointer leaves the choice to the environment.
    set(CURLOPT_PROXY, starts_with_any_case(url, "https:") ? nullptr : "");
    wipe(url);
    set(CURLOPT_TIMEOUT_MS, std::max(1L, static_cast<long>(timeout.count())));

    if (request_.body.empty() && request_.method != "POST") {
      set(CURLOPT_HTTPGET, 1L);
    } else {
      set(CURLOPT_POST, 1L);
      // Not copied: the bytes stay where they are until the transfer has ended.
      set(CURLOPT_POSTFIELDS, request_.body.empty() ? "" : request_.body.reveal().data());
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    }
    if (request_.method == "HEAD") set(CURLOPT_NOBODY, 1L);
    set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());

    if (!request_.body.empty()) add_header("Content-Type: ", request_.content_type);
    if (!request_.authorization.empty()) {
      add_header("Authorization: Bearer ", request_.authorization.reveal());
    }
    set(CURLOPT_HTTPHEADER, headers_);

    if (!fits_a_header(request_.method) || !fits_a_header(request_.content_type) ||
        !fits_a_header(request_.authorization.reveal())) {
      refusal_ = CURLE_BAD_FUNCTION_ARGUMENT;
    }
    if (refusal_ != CURLE_OK) finish(refusal_);
    return refusal_ == CURLE_OK;
  }

  /// Ends the request and tells its sender. An empty `because` means: judge by `code`.
  void finish(CURLcode code, std::string because = {}) {
    HttpOutcome outcome = [&]() -> HttpOutcome {
      if (code == CURLE_OK && because.empty()) {
        long status = 0;
        curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
        response_.status = static_cast<int>(status);
        if (head_is_whole_ && status >= 200) return std::move(response_);
        // To libcurl, a connection that is closed inside the head is an answer without a body.
        code = CURLE_PARTIAL_FILE;
      }
      auto reach = was_sent() ? HttpFailure::Reach::lost : HttpFailure::Reach::not_sent;
      return failed(reach, because.empty() ? explain(code) : std::move(because));
    }();
    wipe(response_.body);
    wipe_headers();
    request_ = {};
    // Cleared first: `done` may send the next request.
    std::exchange(done_, nullptr)(std::move(outcome));
  }

 private:
  template <class Value>
  void set(CURLoption option, Value value) {
    CURLcode code = curl_easy_setopt(easy_, option, value);
    if (code != CURLE_OK) refusal_ = code;
  }

  void add_header(std::string_view name, std::string_view value) {
    std::string line;
    line.reserve(name.size() + value.size());
    line.append(name).append(value);
    headers_ = curl_slist_append(headers_, line.c_str());
    wipe(line);
  }

  void wipe_headers() {
    for (curl_slist* line = headers_; line != nullptr; line = line->next) {
      OPENSSL_cleanse(line->data, std::strlen(line->data));
    }
    curl_slist_free_all(std::exchange(headers_, nullptr));
  }

  /// Bytes of requests that libcurl has handed to the socket, a proxy's CONNECT included.
  [[nodiscard]] long request_size() const {
    long size = 0;
    curl_easy_getinfo(easy_, CURLINFO_REQUEST_SIZE, &size);
    return size;
  }

  [[nodiscard]] bool was_sent() const { return connected_ && request_size() > size_before_; }

  /// Called with a connection ready to carry the request. A second time means that libcurl is about
  /// to send it again on its own account, because a reused connection had died: it must not, the
  /// first copy may have arrived.
  static int on_connected(void* self, char*, char*, int, int) {
    auto& transfer = *static_cast<Transfer*>(self);
    if (std::exchange(transfer.connected_, true)) return CURL_PREREQFUNC_ABORT;
    transfer.size_before_ = transfer.request_size();
    return CURL_PREREQFUNC_OK;
  }

  static std::size_t on_header(char* data, std::size_t, std::size_t size, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    transfer.head_size_ += size;
    if (transfer.head_size_ > kLargestHead) return 0;
    std::string_view line(data, size);
    // An interim answer (1xx) starts a further head; the trailers of a chunked body do not.
    if (line.starts_with("HTTP/")) transfer.head_is_whole_ = false;
    if (line == "\r\n" || line == "\n") transfer.head_is_whole_ = true;
    auto take = [&](std::string_view name, std::string& into) {
      if (!starts_with_any_case(line, name)) return;
      line.remove_prefix(name.size());
      auto first = line.find_first_not_of(" \t\r\n");
      auto last = line.find_last_not_of(" \t\r\n");
      into = first == std::string_view::npos ? "" : line.substr(first, last - first + 1);
    };
    take("date:", transfer.response_.date);
    take("retry-after:", transfer.response_.retry_after);
    return size;
  }

  static std::size_t on_body(char* data, std::size_t, std::size_t size, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    std::string& body = transfer.response_.body;
    if (body.size() + size > transfer.request_.largest_body) return 0;
    append_wiping(body, {data, size});
    return size;
  }

  /// In our own words. libcurl's are taken only where they were read and found to name nothing but
  /// hosts, ports and certificates; others quote what they stumbled over.
  [[nodiscard]] std::string explain(CURLcode code) const {
    switch (code) {
      case CURLE_COULDNT_RESOLVE_HOST:
      case CURLE_COULDNT_CONNECT:
      case CURLE_SSL_CONNECT_ERROR:
      case CURLE_PEER_FAILED_VERIFICATION:
        return error_[0] != '\0' ? error_ : curl_easy_strerror(code);
      case CURLE_OPERATION_TIMEDOUT:
        return (was_sent() ? "no answer within " : "no connection within ") +
               std::to_string(request_.timeout.count()) + " ms";
      case CURLE_ABORTED_BY_CALLBACK:
      case CURLE_GOT_NOTHING:
      case CURLE_SEND_ERROR:
      case CURLE_RECV_ERROR: return "the connection broke before the answer came";
      case CURLE_PARTIAL_FILE: return "the answer was cut short";
      case CURLE_WRITE_ERROR: return "the answer is larger than 64 KiB";
      case CURLE_WEIRD_SERVER_REPLY: return "the answer is not HTTP";
      case CURLE_UNSUPPORTED_PROTOCOL:
        return was_sent() ? "the answer is not HTTP" : "only http and https addresses are called";
      case CURLE_URL_MALFORMAT: return "the address cannot be read";
      case CURLE_BAD_FUNCTION_ARGUMENT: return "the request cannot be written as HTTP";
      default: return curl_easy_strerror(code);
    }
  }

  CURL* easy_;
  HttpRequest request_;
  Done<HttpOutcome> done_;
  HttpResponse response_;
  CURLcode refusal_ = CURLE_OK;
  curl_slist* headers_ = nullptr;
  std::size_t head_size_ = 0;
  bool head_is_whole_ = false;
  bool connected_ = false;
  long size_before_ = 0;
  char error_[CURL_ERROR_SIZE] = {};
};

}  // namespace

class HttpClient::Impl {
 public:
  Impl() {
    prepare_libcurl();
    multi_ = curl_multi_init();
    if (multi_ == nullptr) std::abort();
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(kMostInFlight));
    thread_ = std::thread([this] { run(); });
  }

  ~Impl() {
    {
      std::lock_guard lock(mutex_);
      closing_ = true;
    }
    curl_multi_wakeup(multi_);
    thread_.join();
    transfers_.clear();
    curl_multi_cleanup(multi_);
  }

  void send(HttpRequest request, Done<HttpOutcome> done) {
    auto deadline = Now::now() + request.timeout;
    {
      std::lock_guard lock(mutex_);
      inbox_.emplace_back(deadline, Waiting{std::move(request), std::move(done)});
    }
    curl_multi_wakeup(multi_);
  }

 private:
  void run() {
    // Signals are for the program's own threads, and a broken pipe is an error code here.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);

    while (take_inbox()) {
      give_up_overdue();
      start_what_fits();
      int running = 0;
      curl_multi_perform(multi_, &running);
      finish_what_ended();
      curl_multi_poll(multi_, nullptr, 0, idle_for(), nullptr);
    }
    end_everything();
  }

  /// False once the client is to close.
  bool take_inbox() {
    std::lock_guard lock(mutex_);
    for (auto& [deadline, waiting] : inbox_) queue_.emplace(deadline, std::move(waiting));
    inbox_.clear();
    return !closing_;
  }

  void give_up_overdue() {
    while (!queue_.empty() && queue_.begin()->first <= Now::now()) {
      auto late = queue_.extract(queue_.begin());
      late.mapped().done(failed(
          HttpFailure::Reach::not_sent,
          "no connection within " + std::to_string(late.mapped().request.timeout.count()) + " ms"));
    }
  }

  void start_what_fits() {
    while (!queue_.empty() && in_flight() < kMostInFlight) {
      auto next = queue_.extract(queue_.begin());
      auto left = std::chrono::ceil<Milliseconds>(next.key() - Now::now());
      Transfer& transfer = take_idle();
      if (!transfer.load(std::move(next.mapped()), left)) {
        idle_.push_back(&transfer);
      } else if (curl_multi_add_handle(multi_, transfer.handle()) != CURLM_OK) {
        std::abort();
      }
    }
  }

  [[nodiscard]] std::size_t in_flight() const { return transfers_.size() - idle_.size(); }

  Transfer& take_idle() {
    if (idle_.empty()) return *transfers_.emplace_back(std::make_unique<Transfer>());
    Transfer& latest = *idle_.back();
    idle_.pop_back();
    return latest;
  }

  void finish_what_ended() {
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      char* owner = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
      // Removing the handle frees the message.
      CURLcode code = message->data.result;
      release(*reinterpret_cast<Transfer*>(owner), code);
    }
  }

  void release(Transfer& transfer, CURLcode code, std::string because = {}) {
    curl_multi_remove_handle(multi_, transfer.handle());
    idle_.push_back(&transfer);
    transfer.finish(code, std::move(because));
  }

  /// How long nothing of our own is due, in milliseconds; libcurl shortens it by what it has due.
  [[nodiscard]] int idle_for() const {
    if (queue_.empty()) return 60'000;
    if (in_flight() < kMostInFlight) return 0;
    auto left = std::chrono::ceil<Milliseconds>(queue_.begin()->first - Now::now());
    return static_cast<int>(std::clamp<Milliseconds::rep>(left.count(), 0, 60'000));
  }

  void end_everything() {
    const std::string because = "the client was closed";
    for (auto& transfer : transfers_) {
      if (transfer->busy()) release(*transfer, CURLE_OK, because);
    }
    // A `done` may have sent once more.
    for (take_inbox(); !queue_.empty(); take_inbox()) {
      auto next = queue_.extract(queue_.begin());
      next.mapped().done(failed(HttpFailure::Reach::not_sent, because));
    }
  }

  CURLM* multi_ = nullptr;

  std::mutex mutex_;
  std::vector<std::pair<Now::time_point, Waiting>> inbox_;
  bool closing_ = false;

  // From here on: the client's own thread only.
  std::multimap<Now::time_point, Waiting> queue_;  // By deadline: the most urgent goes first.
  std::vector<std::unique_ptr<Transfer>> transfers_;
  std::vector<Transfer*> idle_;

  std::thread thread_;
};

HttpClient::HttpClient() : impl_(std::make_unique<Impl>()) {}
HttpClient::~HttpClient() = default;

void HttpClient::send(HttpRequest request, Done<HttpOutcome> done) {
  impl_->send(std::move(request), std::move(done));
}

}  // namespace hufu::net
