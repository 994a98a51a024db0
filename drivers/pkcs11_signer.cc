#include "drivers/pkcs11_signer.h"

#include <unistd.h>

#include <optional>

#include "crypto/sha256.h"
#include "drivers/pkcs11_token.h"
#include "drivers/secret_line.h"

namespace sealring {
namespace {

constexpr std::chrono::seconds kFarewell{1};

struct Pin {
  Bytes bytes;
  ~Pin() { wipe(bytes); }
};

// With the pin of the URI's pin-source. `refused`, if given: see Pkcs11Token::login().
Status login(Pkcs11Token& token, const Pkcs11Uri& uri, const Pin& pin, bool& refused) {
  Status status = token.login(pin.bytes, refused);
  if (!status && refused) return std::move(status).error().in("the pin in " + uri.pin_source);
  return status;
}

Result<Bytes> read_pin(const Pkcs11Uri& uri, const std::string& credentials) {
  if (uri.pin_source.empty())
    return reject_error("the " + uri.token_words() +
                        " wants a pin: add &pin-source=file:/PATH, or credential:NAME, to the PKCS#11 URI");
  return read_secret_line(uri.pin_source, credentials, "pin");
}

Result<std::unique_ptr<Pkcs11Token>> open_logged_in(const Pkcs11Access& access, bool write) {
  SEALRING_ASSIGN(auto token, Pkcs11Token::open(access.uri, write));
  if (!token->wants_pin()) return token;
  SEALRING_ASSIGN(Bytes bytes, read_pin(access.uri, access.credentials));
  const Pin pin{std::move(bytes)};
  bool refused = false;
  SEALRING_TRY(login(*token, access.uri, pin, refused));
  return token;
}

Error no_answer(const Pkcs11Uri& uri, std::chrono::milliseconds timeout) {
  return retry_error("the " + uri.token_words() + " has not answered within " + std::to_string(timeout.count()) +
                     " ms; nothing else is asked of it before it has");
}

// `work` on a thread of its own, with all that it touches.
template <class T>
Result<T> in_time(const Pkcs11Access& access, Result<T> (*work)(const Pkcs11Access&)) {
  struct Call {
    Pkcs11Access access;
    std::optional<Result<T>> result;
  };
  auto call = std::make_shared<Call>(Call{access, std::nullopt});
  DeadlineThread thread;
  if (!thread.run([call, work] { call->result.emplace(work(call->access)); }, access.timeout))
    return no_answer(access.uri, access.timeout);
  return std::move(*call->result);
}

Result<PublicKey> find_public_key(const Pkcs11Access& access) {
  SEALRING_ASSIGN(auto token, Pkcs11Token::open(access.uri));
  auto key = token->public_key();
  if (key || key.error().kind != ErrorKind::missing || !token->wants_pin() || access.uri.pin_source.empty()) return key;
  token.reset();
  SEALRING_ASSIGN(token, open_logged_in(access, false));
  return token->public_key();
}

Result<std::vector<Pkcs11Key>> find_keys(const Pkcs11Access& access) {
  std::vector<Pkcs11Key> out;
  if (!access.uri.pin_source.empty()) {
    SEALRING_ASSIGN(const auto token, open_logged_in(access, false));
    return token->keys();
  }
  SEALRING_ASSIGN(const auto library, Pkcs11Library::load(access.uri.module_path));
  SEALRING_ASSIGN(const auto tokens, library->tokens());
  for (const Pkcs11Library::Token& one : tokens) {
    if (!one.fits(access.uri)) continue;
    Pkcs11Uri uri = access.uri;
    uri.token = one.label;
    uri.serial = one.serial;
    SEALRING_ASSIGN(const auto token, Pkcs11Token::open(uri));
    SEALRING_ASSIGN(auto keys, token->keys());
    std::move(keys.begin(), keys.end(), std::back_inserter(out));
  }
  return out;
}

Result<Pkcs11Key> generate(const Pkcs11Access& access) {
  SEALRING_ASSIGN(const auto token, open_logged_in(access, true));
  return token->generate();
}

}  // namespace

// Touched by the one thread only.
struct Pkcs11Signer::State {
  explicit State(const Config& c) : config(c), salt(random_bytes(16)) {}

  const Config config;
  std::unique_ptr<Pkcs11Token> token;  // open, logged in, with the key
  pid_t process = 0;                   // that opened it
  const Bytes salt;
  std::optional<Hash> refused;  // of the salt and the pin that the token refused

  Hash remembered(const Pin& pin) const {
    Pin salted{salt};
    salted.bytes.reserve(salt.size() + pin.bytes.size());
    salted.bytes += pin.bytes;
    return sha256(salted.bytes);
  }

  // `offer` shows the token the pin, unless that was refused before.
  template <class Offer>
  Status with_pin(const Offer& offer) {
    SEALRING_ASSIGN(Bytes bytes, read_pin(config.uri, config.credentials));
    const Pin pin{std::move(bytes)};
    if (refused && *refused == remembered(pin))
      return reject_error("the " + config.uri.token_words() + " has refused the pin in " + config.uri.pin_source +
                          "; it is not tried again, since tokens lock after a few wrong ones: correct it there");
    bool wrong = false;
    Status status = offer(pin, wrong);
    if (wrong) refused = remembered(pin);
    return status;
  }

  Status log_in(Pkcs11Token& opened) {
    if (!opened.wants_pin()) return {};
    return with_pin([&](const Pin& pin, bool& wrong) { return login(opened, config.uri, pin, wrong); });
  }

  Status open() {
    // After a fork the parent's session is not ours, not even to close.
    if (token && process != ::getpid()) static_cast<void>(token.release());
    if (token) return {};
    process = ::getpid();
    SEALRING_ASSIGN(auto opened, Pkcs11Token::open(config.uri));
    SEALRING_TRY(log_in(*opened));
    SEALRING_TRY(opened->take_key(config.public_key));
    token = std::move(opened);
    return {};
  }

  Result<Signature> sign_once(ByteView message) {
    SEALRING_TRY(open());
    Result<Signature> signature = Signature{};
    const auto with = [&](const Pin& pin, bool& wrong) -> Status {
      signature = token->sign(message, pin.bytes, wrong);
      if (wrong) signature = std::move(signature).error().in("the pin in " + config.uri.pin_source);
      return {};
    };
    bool none = false;
    Status pin = token->wants_pin_each_time() ? with_pin(with) : with(Pin{}, none);
    if (!pin) signature = std::move(pin).error();
    if (signature && !ed25519_verify(config.public_key, message, *signature))
      signature = fatal_error(config.uri.words() +
                              ": what it signed does not verify with the public key that is wanted: another key, or a "
                              "broken token");
    if (!signature) token.reset();
    return signature;
  }

  Result<Signature> sign(ByteView message) {
    const bool was_open = token != nullptr;
    auto signature = sign_once(message);
    if (signature || !(was_open || signature.error().kind == ErrorKind::fatal)) return signature;
    return sign_once(message);
  }
};

Pkcs11Signer::Pkcs11Signer(Config config) : config_(std::move(config)), state_(std::make_shared<State>(config_)) {}

Pkcs11Signer::~Pkcs11Signer() {
  thread_.run([state = state_] { state->token.reset(); }, kFarewell);
}

Result<Signature> Pkcs11Signer::call(bool sign, ByteView message) {
  struct Call {
    Bytes message;
    Result<Signature> result = Signature{};
  };
  auto call = std::make_shared<Call>(Call{Bytes(message)});
  const auto job = [state = state_, call, sign] {
    if (sign) {
      call->result = state->sign(call->message);
    } else if (Status opened = state->open(); !opened) {
      call->result = std::move(opened).error();
    }
  };
  if (!stopped_ && thread_.run(job, config_.timeout, &stopped_)) return std::move(call->result);
  return stopped_ ? retry_error("stopping") : no_answer(config_.uri, config_.timeout);
}

void Pkcs11Signer::stop() {
  stopped_ = true;
  thread_.wake();
}

Result<Signature> Pkcs11Signer::sign(ByteView message) { return call(true, message); }

Status Pkcs11Signer::open() {
  SEALRING_TRY(call(false, {}));
  return {};
}

Result<PublicKey> pkcs11_public_key(const Pkcs11Access& access) { return in_time(access, find_public_key); }

Result<std::vector<Pkcs11Key>> pkcs11_keys(const Pkcs11Access& access) { return in_time(access, find_keys); }

Result<Pkcs11Key> pkcs11_generate(const Pkcs11Access& access) {
  if (access.uri.object.empty())
    return reject_error("the PKCS#11 URI does not name the new key: add object=LABEL to it");
  return in_time(access, generate);
}

}  // namespace sealring
