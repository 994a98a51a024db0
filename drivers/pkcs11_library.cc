#include "drivers/pkcs11_library.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <unistd.h>

#include <cstdio>

namespace sealring {
namespace {

struct Word {
  CK_RV rv;
  const char* name;
  const char* meaning;
};
constexpr Word kWords[] = {
    {CKR_HOST_MEMORY, "CKR_HOST_MEMORY", "out of memory"},
    {CKR_SLOT_ID_INVALID, "CKR_SLOT_ID_INVALID", "the token's slot is gone"},
    {CKR_GENERAL_ERROR, "CKR_GENERAL_ERROR", "the library failed"},
    {CKR_FUNCTION_FAILED, "CKR_FUNCTION_FAILED", "the token failed"},
    {CKR_ARGUMENTS_BAD, "CKR_ARGUMENTS_BAD", nullptr},
    {CKR_CANT_LOCK, "CKR_CANT_LOCK", "the library cannot be used by a process with threads"},
    {CKR_ATTRIBUTE_TYPE_INVALID, "CKR_ATTRIBUTE_TYPE_INVALID", nullptr},
    {CKR_ATTRIBUTE_VALUE_INVALID, "CKR_ATTRIBUTE_VALUE_INVALID", nullptr},
    {CKR_DATA_LEN_RANGE, "CKR_DATA_LEN_RANGE", nullptr},
    {CKR_DEVICE_ERROR, "CKR_DEVICE_ERROR", "the token has a fault"},
    {CKR_DEVICE_MEMORY, "CKR_DEVICE_MEMORY", "the token has no memory left"},
    {CKR_DEVICE_REMOVED, "CKR_DEVICE_REMOVED", "the token is gone"},
    {CKR_FUNCTION_CANCELED, "CKR_FUNCTION_CANCELED", nullptr},
    {CKR_FUNCTION_NOT_SUPPORTED, "CKR_FUNCTION_NOT_SUPPORTED", nullptr},
    {CKR_KEY_HANDLE_INVALID, "CKR_KEY_HANDLE_INVALID", "the key is gone from the token"},
    {CKR_KEY_TYPE_INCONSISTENT, "CKR_KEY_TYPE_INCONSISTENT", "the key is not one for Ed25519"},
    {CKR_KEY_FUNCTION_NOT_PERMITTED, "CKR_KEY_FUNCTION_NOT_PERMITTED", "the key may not sign (CKA_SIGN)"},
    {CKR_MECHANISM_INVALID, "CKR_MECHANISM_INVALID", "the token does not do Ed25519 (CKM_EDDSA)"},
    {CKR_MECHANISM_PARAM_INVALID, "CKR_MECHANISM_PARAM_INVALID", "the token wants another form of Ed25519"},
    {CKR_OBJECT_HANDLE_INVALID, "CKR_OBJECT_HANDLE_INVALID", "the key is gone from the token"},
    {CKR_OPERATION_ACTIVE, "CKR_OPERATION_ACTIVE", nullptr},
    {CKR_PIN_INCORRECT, "CKR_PIN_INCORRECT", "the pin is wrong"},
    {CKR_PIN_INVALID, "CKR_PIN_INVALID", "the pin has characters that the token does not take"},
    {CKR_PIN_LEN_RANGE, "CKR_PIN_LEN_RANGE", "the pin is shorter or longer than the token's pins"},
    {CKR_PIN_EXPIRED, "CKR_PIN_EXPIRED", "the pin has expired"},
    {CKR_PIN_LOCKED, "CKR_PIN_LOCKED", "the token is locked after too many wrong pins"},
    {CKR_SESSION_CLOSED, "CKR_SESSION_CLOSED", "the session with the token was closed"},
    {CKR_SESSION_COUNT, "CKR_SESSION_COUNT", "the token has no session left"},
    {CKR_SESSION_HANDLE_INVALID, "CKR_SESSION_HANDLE_INVALID", "the session with the token was closed"},
    {CKR_SESSION_READ_ONLY, "CKR_SESSION_READ_ONLY", nullptr},
    {CKR_TEMPLATE_INCOMPLETE, "CKR_TEMPLATE_INCOMPLETE", nullptr},
    {CKR_TEMPLATE_INCONSISTENT, "CKR_TEMPLATE_INCONSISTENT", nullptr},
    {CKR_TOKEN_NOT_PRESENT, "CKR_TOKEN_NOT_PRESENT", "the token is gone"},
    {CKR_TOKEN_NOT_RECOGNIZED, "CKR_TOKEN_NOT_RECOGNIZED", "the token is not one that the library knows"},
    {CKR_TOKEN_WRITE_PROTECTED, "CKR_TOKEN_WRITE_PROTECTED", "the token cannot be written to"},
    {CKR_USER_NOT_LOGGED_IN, "CKR_USER_NOT_LOGGED_IN", "the token wants a pin"},
    {CKR_USER_PIN_NOT_INITIALIZED, "CKR_USER_PIN_NOT_INITIALIZED", "the token has no user pin yet"},
    {CKR_USER_TYPE_INVALID, "CKR_USER_TYPE_INVALID", nullptr},
    {CKR_USER_ANOTHER_ALREADY_LOGGED_IN, "CKR_USER_ANOTHER_ALREADY_LOGGED_IN", "its security officer is logged in"},
    {CKR_DOMAIN_PARAMS_INVALID, "CKR_DOMAIN_PARAMS_INVALID", nullptr},
    {CKR_CURVE_NOT_SUPPORTED, "CKR_CURVE_NOT_SUPPORTED", "the token does not know the curve of Ed25519"},
    {CKR_CRYPTOKI_NOT_INITIALIZED, "CKR_CRYPTOKI_NOT_INITIALIZED", "the library was finalised"},
    {CKR_CRYPTOKI_ALREADY_INITIALIZED, "CKR_CRYPTOKI_ALREADY_INITIALIZED", nullptr},
};

const Word* word_of(CK_RV rv) {
  for (const Word& word : kWords)
    if (word.rv == rv) return &word;
  return nullptr;
}

template <std::size_t N>
std::string trimmed(const unsigned char (&field)[N]) {
  std::string text(reinterpret_cast<const char*>(field), N);
  text.resize(text.find_last_not_of(std::string_view(" \0", 2)) + 1);
  return text;
}

std::string listed(const std::vector<Pkcs11Library::Token>& tokens) {
  std::string out;
  for (const Pkcs11Library::Token& token : tokens) out += (out.empty() ? "" : ", ") + token.words();
  return out;
}

}  // namespace

std::string pkcs11_error_name(unsigned long rv) {
  if (const Word* word = word_of(rv)) return word->name;
  char text[32];
  std::snprintf(text, sizeof text, "error 0x%lx", rv);
  return text;
}

Error pkcs11_error(const char* function, unsigned long rv) {
  const Word* word = word_of(rv);
  const std::string what = std::string(function) + " answered " + pkcs11_error_name(rv);
  return retry_error(word != nullptr && word->meaning != nullptr ? std::string(word->meaning) + " (" + what + ")"
                                                                 : what);
}

Result<std::unique_ptr<Pkcs11Library>> Pkcs11Library::load(const std::string& path) {
  void* const handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) {
    const char* words = ::dlerror();
    return retry_error("cannot load the PKCS#11 library: " + std::string(words ? words : path));
  }
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(handle, "C_GetFunctionList"));
  if (get == nullptr) return retry_error(path + " is not a PKCS#11 library: it has no C_GetFunctionList");
  std::unique_ptr<Pkcs11Library> library(new Pkcs11Library);
  CK_FUNCTION_LIST* functions = nullptr;
  CK_RV rv = get(&functions);
  if (rv == CKR_OK && functions == nullptr) rv = CKR_GENERAL_ERROR;
  if (rv != CKR_OK) return pkcs11_error("C_GetFunctionList", rv).in(path);
  library->functions_ = functions;
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;
  rv = functions->C_Initialize(&arguments);
  if (rv == CKR_CANT_LOCK) rv = functions->C_Initialize(nullptr);
  if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) return pkcs11_error("C_Initialize", rv).in(path);
  library->finalise_ = rv == CKR_OK;
  library->process_ = ::getpid();
  return library;
}

Pkcs11Library::~Pkcs11Library() {
  if (finalise_ && process_ == ::getpid()) functions_->C_Finalize(nullptr);
}

std::string Pkcs11Library::Token::words() const {
  return quoted(label, 64) + (serial.empty() ? "" : " serial " + quoted(serial, 64));
}

bool Pkcs11Library::Token::fits(const Pkcs11Uri& uri) const {
  const auto same = [](const std::string& wanted, const std::string& is) { return wanted.empty() || wanted == is; };
  return same(uri.token, label) && same(uri.serial, serial) && same(uri.manufacturer, manufacturer) &&
         same(uri.model, model);
}

Result<std::vector<Pkcs11Library::Token>> Pkcs11Library::tokens() const {
  std::vector<CK_SLOT_ID> slots;
  // A token may come between the two calls.
  for (int attempt = 0;; ++attempt) {
    CK_ULONG count = 0;
    CK_RV rv = functions_->C_GetSlotList(CK_TRUE, nullptr, &count);
    if (rv != CKR_OK) return pkcs11_error("C_GetSlotList", rv);
    slots.resize(count);
    if (count == 0) break;
    rv = functions_->C_GetSlotList(CK_TRUE, slots.data(), &count);
    if (rv == CKR_BUFFER_TOO_SMALL && attempt < 3) continue;
    if (rv != CKR_OK) return pkcs11_error("C_GetSlotList", rv);
    slots.resize(count);
    break;
  }
  std::vector<Token> out;
  for (const CK_SLOT_ID slot : slots) {
    CK_TOKEN_INFO info{};
    // One that fails is not there; it must not hide the others.
    if (functions_->C_GetTokenInfo(slot, &info) != CKR_OK || (info.flags & CKF_TOKEN_INITIALIZED) == 0) continue;
    out.push_back({slot, trimmed(info.label), trimmed(info.manufacturerID), trimmed(info.model),
                   trimmed(info.serialNumber), info.flags});
  }
  return out;
}

Result<Pkcs11Library::Token> Pkcs11Library::find(const Pkcs11Uri& uri) const {
  SEALRING_ASSIGN(const std::vector<Token> all, tokens());
  std::vector<Token> fitting;
  for (const Token& token : all)
    if (token.fits(uri)) fitting.push_back(token);
  if (fitting.size() == 1) return fitting[0];
  if (fitting.empty())
    return Error{ErrorKind::missing, "the " + uri.token_words() + " is not there; the library sees " +
                                         (all.empty() ? "no token" : "only " + listed(all))};
  return reject_error("several tokens fit: " + listed(fitting) + "; add serial=NUMBER to the PKCS#11 URI");
}

}  // namespace sealring
