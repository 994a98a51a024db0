// One PKCS#11 library, loaded at run time by its path: nothing links to one. Which library is loaded is up to the
// configuration; it runs in this process with all its rights.
//
// A library is initialised once for a whole process. Where somebody else in it has done that already, tokens that are
// put in later may stay unseen, since it is theirs to finalise. It is never unloaded: libraries leave threads and exit
// handlers behind. One thread.
#pragma once

#include <memory>
#include <vector>

#include "drivers/pkcs11_uri.h"

struct _CK_FUNCTION_LIST;  // p11-kit/pkcs11.h

namespace sealring {

// `CKR_PIN_INCORRECT`, or the number of one that is not known here.
std::string pkcs11_error_name(unsigned long rv);
// What it means, where that helps: "the pin is wrong (CKR_PIN_INCORRECT)". A retry error, since the next call may be
// answered otherwise.
Error pkcs11_error(const char* function, unsigned long rv);

class Pkcs11Library {
 public:
  // retry: cannot be loaded or initialised, with the loader's words.
  static Result<std::unique_ptr<Pkcs11Library>> load(const std::string& path);
  ~Pkcs11Library();  // finalises, if it initialised; closes all sessions by that

  struct Token {
    unsigned long slot = 0;
    std::string label, manufacturer, model, serial;  // without the blanks at their ends
    unsigned long flags = 0;                         // CKF_...
    std::string words() const;                       // `"gateway" serial "12"`
    bool fits(const Pkcs11Uri& uri) const;
  };
  // Those that are there and initialised.
  Result<std::vector<Token>> tokens() const;
  // The one token that fits. missing: none, with what there is instead. reject: several.
  Result<Token> find(const Pkcs11Uri& uri) const;

  const _CK_FUNCTION_LIST& functions() const { return *functions_; }

 private:
  Pkcs11Library() = default;
  const _CK_FUNCTION_LIST* functions_ = nullptr;
  bool finalise_ = false;
  int process_ = 0;
};

}  // namespace sealring
