#include "simulator/server.hpp"

#include <boost/json.hpp>
#include <mutex>
#include <utility>

#include "net/http_server.hpp"
#include "simulator/control.hpp"
#include "simulator/held_port.hpp"
#include "simulator/waiting_room.hpp"

namespace hufu::simulator {
namespace {

namespace json = boost::json;

net::Reply reply_of(const Answer& answer) {
  return {answer.status, answer.content_type, {}, answer.body};
}

/// What a web server in front of the platform would say.
std::string html_page(int status) {
  std::string title = "This is no token (" + std::to_string(status) + ")";
  return "<html><head><title>" + title + "</title></head><body><center><h1>" + title +
         "</h1></center></body></html>\n";
}

std::string first_half(const std::string& body) { return body.substr(0, body.size() / 2); }

std::string announced_but_cut(const Answer& answer) {
  return "HTTP/1.1 " + std::to_string(answer.status) + (answer.status == 200 ? " OK" : " Refused") +
         "\r\nContent-Type: " + std::string(answer.content_type) +
         "\r\nContent-Length: " + std::to_string(answer.body.size()) + "\r\n\r\n" +
         first_half(answer.body);
}

/// The object that holds the last part of `path` ("data.expires_in"), and makes `path` that part;
/// null if there is none.
json::object* holder_of(std::string_view& path, json::object& body) {
  json::object* holder = &body;
  for (auto dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.')) {
    json::value* inner = holder->if_contains(path.substr(0, dot));
    if (inner == nullptr || !inner->is_object()) return nullptr;
    holder = &inner->get_object();
    path.remove_prefix(dot + 1);
  }
  return holder;
}

std::string made_absurd(const std::string& body, const FaultSwitch& fault) {
  json::error_code error;
  json::value parsed = json::parse(body, error);
  if (error || !parsed.is_object()) return body;
  json::object& object = parsed.get_object();
  for (std::string_view name : fault.remove)
    if (json::object* holder = holder_of(name, object)) holder->erase(name);
  for (const auto& [path, value] : fault.fields) {
    std::string_view name = path;
    if (json::object* holder = holder_of(name, object)) (*holder)[name] = value;
  }
  return json::serialize(object);
}

WireRequest wire_of(const net::Request& request) {
  return {request.method, request.path,
          request.query,  request.body,
          request.peer,   [&request](std::string_view name) {
            return request.header(name); }};
}

}  // namespace

class Simulator::Impl {
 public:
  explicit Impl(const Options& options)
      : scaled_(options.speed),
        clock_(options.clock != nullptr ? *options.clock : scaled_),
        model_(clock_, random_, options.model),
        control_(
            model_, clock_, [this](Milliseconds span) { return refuse_soon(span); },
            [this] { accept_soon(); }),
        platform_front_(*this),
        control_front_(*this) {
    for (const AppSpec& app : options.apps) model_.put_app(app);
  }

  ~Impl() {
    room_.close();  // First those who wait: a server waits for everybody it has not answered.
    std::lock_guard lock(door_);
    server_.reset();
    control_server_.reset();
  }

  Result<void> open(const Options& options) {
    auto port = HeldPort::hold(options.listen);
    if (!port) return tl::unexpected(port.error());
    port_ = std::move(*port);
    server_options_.listen = port_->address();
    server_options_.threads = options.threads;
    server_options_.limits.connections = 100'000;  // A simulator is not to be the bottleneck.
    if (auto accepting = accept(); !accepting) return accepting;
    if (options.control_listen.empty()) return {};
    net::HttpServer::Options control;
    control.listen = options.control_listen;
    auto server = net::HttpServer::start(control, control_front_);
    if (!server) return tl::unexpected(server.error());
    control_server_ = std::move(*server);
    return {};
  }

  Result<void> accept() {
    std::lock_guard lock(door_);
    ++turn_;
    if (server_) return {};
    auto server = net::HttpServer::start(server_options_, platform_front_);
    if (!server) return tl::unexpected(server.error());
    server_ = std::move(*server);
    return {};
  }

  std::uint64_t refuse() {
    constexpr Milliseconds kPatience{200};
    std::lock_guard lock(door_);
    if (server_) {
      server_->stop(kPatience);
      server_.reset();
    }
    return ++turn_;
  }

  const std::string& address() const noexcept { return port_->address(); }
  const std::string& control_address() const noexcept {
    static const std::string none;
    return control_server_ ? control_server_->address() : none;
  }
  Model& model() noexcept { return model_; }
  MovableClock& clock() noexcept { return clock_; }

 private:
  struct PlatformFront final : net::Handler {
    explicit PlatformFront(Impl& owner) : impl(owner) {}
    void handle(const net::Request& request, net::Exchange& exchange) override {
      if (Control::owns(request.path))
        impl.serve_control(request, exchange);
      else
        impl.serve(request, exchange);
    }
    Impl& impl;
  };
  struct ControlFront final : net::Handler {
    explicit ControlFront(Impl& owner) : impl(owner) {}
    void handle(const net::Request& request, net::Exchange& exchange) override {
      impl.serve_control(request, exchange);
    }
    Impl& impl;
  };

  void serve_control(const net::Request& request, net::Exchange& exchange) {
    Answer answer = control_.handle(wire_of(request));
    exchange.reply({answer.status, "application/json", {}, answer.body});
  }

  void serve(const net::Request& request, net::Exchange& exchange) {
    Visit visit = model_.arrive(read_call(wire_of(request)));
    if (visit.fault) return befall(std::move(visit), exchange.defer());
    Answer answer = model_.carry_out(visit);
    model_.leave(visit, Ending::answered);
    exchange.reply(reply_of(answer));
  }

  /// Everything that can go wrong with one call.
  void befall(Visit visit, std::shared_ptr<net::Pending> client) {
    using Kind = FaultSwitch::Kind;
    const FaultSwitch fault = *visit.fault;
    auto carried_out_if_after = [&] { return fault.after ? model_.carry_out(visit) : Answer{}; };
    switch (fault.kind) {
      case Kind::slow:
        if (fault.after) return answer_late(std::move(visit), std::move(client));
        return carry_out_late(std::move(visit), std::move(client));
      case Kind::hang: carried_out_if_after(); return hold(std::move(visit), std::move(client));
      case Kind::reset: carried_out_if_after(); return break_off(visit, *client, {});
      case Kind::reply: {
        carried_out_if_after();
        std::string body = fault.body.value_or(html_page(fault.status));
        return send(visit, *client, {fault.status, fault.content_type, {}, body});
      }
      case Kind::truncated: {
        Answer answer = model_.carry_out(visit);
        answer.body = first_half(answer.body);
        return send(visit, *client, reply_of(answer));
      }
      case Kind::cut: {
        std::string bytes = announced_but_cut(model_.carry_out(visit));
        return break_off(visit, *client, bytes);
      }
      case Kind::absurd: {
        Answer answer = model_.carry_out(visit);
        answer.body = made_absurd(answer.body, fault);
        return send(visit, *client, reply_of(answer));
      }
      case Kind::errcode: {
        const Code code = fault.word.empty() ? Code(fault.errcode) : Code(fault.word);
        Answer answer = model_.refuse(visit, code);
        return send(visit, *client, reply_of(answer));
      }
    }
  }

  // A call leaves before its client can know, so that the next one never seems to overlap it.

  void send(const Visit& visit, net::Pending& client, const net::Reply& reply) {
    model_.leave(visit, Ending::answered);
    client.reply(reply);
  }

  void break_off(const Visit& visit, net::Pending& client, std::string_view bytes) {
    model_.leave(visit, bytes.empty() ? Ending::reset : Ending::answered);
    client.break_off(bytes);
  }

  void leave_unanswered(const Visit& visit, net::Pending& client, WaitingRoom::Wake wake) {
    if (wake == WaitingRoom::Wake::given_up) return model_.leave(visit, Ending::given_up);
    break_off(visit, client, {});
  }

  void hold(Visit visit, std::shared_ptr<net::Pending> client) {
    room_.wait(WaitingRoom::kNever, client,
               [this, visit = std::move(visit), client](WaitingRoom::Wake wake) {
                 leave_unanswered(visit, *client, wake);
               });
  }

  void answer_late(Visit visit, std::shared_ptr<net::Pending> client) {
    Answer answer = model_.carry_out(visit);
    auto due = WaitingRoom::after(visit.fault->delay);
    room_.wait(due, client,
               [this, visit = std::move(visit), client, answer](WaitingRoom::Wake wake) {
                 if (wake != WaitingRoom::Wake::due) return leave_unanswered(visit, *client, wake);
                 send(visit, *client, reply_of(answer));
               });
  }

  /// The platform does not know that its client has given up: it carries the call out nevertheless,
  /// and then only the ledger tells.
  void carry_out_late(Visit visit, std::shared_ptr<net::Pending> client) {
    auto due = WaitingRoom::after(visit.fault->delay);
    room_.wait(due, client, [this, due, visit = std::move(visit), client](WaitingRoom::Wake wake) {
      if (wake == WaitingRoom::Wake::due) {
        Answer answer = model_.carry_out(visit);
        return send(visit, *client, reply_of(answer));
      }
      leave_unanswered(visit, *client, wake);
      if (wake == WaitingRoom::Wake::closing) return;
      room_.wait(due, nullptr, [this, visit](WaitingRoom::Wake then) {
        if (then == WaitingRoom::Wake::due) model_.carry_out(visit);
      });
    });
  }

  // Refusing by request of a client of ours: not on the thread that is answering it.

  Result<void> refuse_soon(Milliseconds span) {
    if (span == Milliseconds(0) && !control_server_)
      return fail(Fault::usage, "nobody could ask to accept connections again",
                  "Say for how long (\"for\": \"2s\"), or start with a second address for /sim/.");
    room_.wait(WaitingRoom::after(Milliseconds(0)), nullptr, [this, span](WaitingRoom::Wake wake) {
      if (wake != WaitingRoom::Wake::due) return;
      std::uint64_t turn = refuse();
      if (span > Milliseconds(0))
        room_.wait(WaitingRoom::after(span), nullptr, [this, turn](WaitingRoom::Wake then) {
          if (then == WaitingRoom::Wake::due && is_turn(turn)) (void)accept();
        });
    });
    return {};
  }

  void accept_soon() {
    room_.wait(WaitingRoom::after(Milliseconds(0)), nullptr, [this](WaitingRoom::Wake wake) {
      if (wake == WaitingRoom::Wake::due) (void)accept();
    });
  }

  bool is_turn(std::uint64_t turn) {
    std::lock_guard lock(door_);
    return turn == turn_;
  }

  ScaledClock scaled_;
  MovableClock clock_;
  SystemRandom random_;
  Model model_;
  Control control_;
  PlatformFront platform_front_;
  ControlFront control_front_;

  std::mutex door_;         ///< Guards `server_` and `turn_`.
  std::uint64_t turn_ = 0;  ///< How often connections were refused or accepted.
  net::HttpServer::Options server_options_;
  std::optional<HeldPort> port_;
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<net::HttpServer> control_server_;
  WaitingRoom room_;
};

Result<std::unique_ptr<Simulator>> Simulator::start(Options options) {
  if (!(options.speed > 0)) return fail(Fault::usage, "the speed must be above zero");
  auto impl = std::make_unique<Impl>(options);
  if (auto opened = impl->open(options); !opened) return tl::unexpected(opened.error());
  return std::unique_ptr<Simulator>(new Simulator(std::move(impl)));
}

Simulator::Simulator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Simulator::~Simulator() = default;

const std::string& Simulator::address() const noexcept { return impl_->address(); }
const std::string& Simulator::control_address() const noexcept { return impl_->control_address(); }
std::string Simulator::base_url() const { return "http://" + address(); }
Model& Simulator::model() noexcept { return impl_->model(); }
MovableClock& Simulator::clock() noexcept { return impl_->clock(); }
void Simulator::refuse() { impl_->refuse(); }
Result<void> Simulator::accept() { return impl_->accept(); }

}  // namespace hufu::simulator
