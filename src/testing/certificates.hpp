#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <string>

namespace hufu::testing {

/// When a certificate is valid, in seconds from now.
struct Validity {
  long from = -3600;
  long to = 24L * 3600;
};

/// A certificate and its key, made for a test.
class Certificate {
 public:
  /// One that issues others.
  static Certificate authority(const std::string& name) {
    return {name, "critical,CA:TRUE", "", {}, nullptr};
  }
  /// One for a server or a client, issued by this one. `names` as in "DNS:localhost,IP:127.0.0.1".
  [[nodiscard]] Certificate issue(const std::string& name, const std::string& names,
                                  Validity validity = {}) const {
    return {name, "CA:FALSE", names, validity, this};
  }

  [[nodiscard]] X509* certificate() const { return certificate_.get(); }
  [[nodiscard]] EVP_PKEY* key() const { return key_.get(); }

  /// Writes PEM files.
  void write_certificate(const std::string& path) const {
    write(path, [&](std::FILE* file) { PEM_write_X509(file, certificate_.get()); });
  }
  void write_key(const std::string& path) const {
    write(path, [&](std::FILE* file) {
      PEM_write_PrivateKey(file, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509* certificate) const { X509_free(certificate); }
  };

  Certificate(const std::string& name, const std::string& constraints, const std::string& names,
              Validity validity, const Certificate* issuer)
      // As EVP_EC_gen does: that is a macro which casts a const away.
      : key_(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")), certificate_(X509_new()) {
    static long serial = 0;
    X509* made = certificate_.get();
    X509_set_version(made, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(made), validity.from);
    X509_gmtime_adj(X509_getm_notAfter(made), validity.to);
    X509_set_pubkey(made, key_.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    const Certificate& by = issuer != nullptr ? *issuer : *this;
    X509_set_issuer_name(made, X509_get_subject_name(by.certificate_.get()));
    extend(NID_basic_constraints, constraints);
    if (!names.empty()) extend(NID_subject_alt_name, names);
    X509_sign(made, by.key_.get(), EVP_sha256());
  }

  void extend(int kind, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
    X509_add_ext(certificate_.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }

  template <class Write>
  static void write(const std::string& path, const Write& what) {
    std::FILE* file = std::fopen(path.c_str(), "w");
    if (file == nullptr) return;
    what(file);
    std::fclose(file);
  }

  std::unique_ptr<EVP_PKEY, Free> key_;
  std::unique_ptr<X509, Free> certificate_;
};

}  // namespace hufu::testing
