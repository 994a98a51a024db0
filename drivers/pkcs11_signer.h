// A key on a PKCS#11 token as Signer.
//
// All calls into the library are made on one thread of its own, with one session: one shared by threads crashes some
// libraries, and a token that hangs must not hang whoever signs. The session is opened by the first signature, after
// any fork. A signature that fails, or that the public key does not verify, closes everything down to C_Finalize, since
// some libraries see a token that was put back only then, opens it again and is tried once more.
//
// A pin that the token refused is never offered to it again: tokens lock after a few wrong ones. Where the pin comes
// from is read at each login, so a corrected file is enough.
#pragma once

#include <chrono>

#include "crypto/ed25519.h"
#include "drivers/deadline_thread.h"
#include "drivers/pkcs11_uri.h"

namespace sealring {

class Pkcs11Signer final : public Signer {
 public:
  struct Config {
    Pkcs11Uri uri;                 // must name a key
    PublicKey public_key{};        // that it must be
    std::string credentials = {};  // the folder of pin-source=credential:NAME; empty: none
    std::chrono::milliseconds timeout{20000};
  };
  explicit Pkcs11Signer(Config config);
  ~Pkcs11Signer() override;  // waits a second for the library to finish what it does, no longer

  const PublicKey& public_key() const override { return config_.public_key; }
  // retry: no answer in time, or the token, library or key is not there; reject: somebody must do something about it:
  // the pin, the URI; fatal: what it signs does not verify. The words say which. Any of them may pass.
  Result<Signature> sign(ByteView message) override;
  void stop() override;
  // Opens the session and finds the key, as the next sign() would. Errors as there.
  Status open();

 private:
  struct State;
  Result<Signature> call(bool sign, ByteView message);

  const Config config_;
  std::shared_ptr<State> state_;  // shared with a thread that may never come back
  DeadlineThread thread_;
  std::atomic<bool> stopped_{false};
};

// The other things one does with a token, for commands: each opens and closes it, on a thread of its own with
// `timeout`.
struct Pkcs11Access {
  Pkcs11Uri uri;
  std::string credentials = {};
  std::chrono::milliseconds timeout{60000};
};
// Of the key pair that fits; logs in only where the public half is hidden without.
Result<PublicKey> pkcs11_public_key(const Pkcs11Access& access);
// The Ed25519 keys that fit, of all tokens that fit; logs in only with a pin-source, and then one token must fit.
struct Pkcs11Key;
Result<std::vector<Pkcs11Key>> pkcs11_keys(const Pkcs11Access& access);
Result<Pkcs11Key> pkcs11_generate(const Pkcs11Access& access);

}  // namespace sealring
