#include "tests/pkcs11/fake_module.h"

#include <p11-kit/pkcs11.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace {

FakePkcs11 fake;
pid_t process = 0;  // that initialised; 0: none
std::vector<bool> there;
bool session_open = false, logged_in = false, writing = false;
std::size_t session_slot = 0;
std::vector<CK_OBJECT_HANDLE> found;
CK_OBJECT_HANDLE signing_key = 0;
bool may_sign = false;

CK_RV enter(const char* function, bool needs_start = true) {
  {
    std::lock_guard<std::mutex> lock(fake.mutex);
    fake.threads.insert(std::this_thread::get_id());
  }
  if (fake.before)
    if (const CK_RV rv = fake.before(function)) return rv;
  if (needs_start && process != getpid()) return CKR_CRYPTOKI_NOT_INITIALIZED;
  return CKR_OK;
}

bool present(std::size_t slot) {
  return slot < fake.tokens.size() && (fake.sees_new_tokens_only_at_start ? there[slot] : fake.tokens[slot].there);
}

CK_RV in_session(CK_SESSION_HANDLE session) {
  if (!session_open || session != 7) return CKR_SESSION_HANDLE_INVALID;
  return present(session_slot) ? CKR_OK : CKR_DEVICE_REMOVED;
}

FakePkcs11::Token& token() { return fake.tokens[session_slot]; }

// Of key i: 2 i + 1 is the private half, 2 i + 2 the public one.
bool is_private(CK_OBJECT_HANDLE object) { return object % 2 == 1; }
FakePkcs11::Key* key_of(CK_OBJECT_HANDLE object) {
  const std::size_t i = (object - 1) / 2;
  if (object == 0 || i >= token().keys.size()) return nullptr;
  FakePkcs11::Key& key = token().keys[i];
  const bool hidden = (is_private(object) || key.public_hidden) && token().wants_pin && !logged_in;
  const bool exists = is_private(object) ? key.has_private : key.has_public;
  return exists && !hidden ? &key : nullptr;
}

std::string value_of(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  const FakePkcs11::Key& key = *key_of(object);
  const auto number = [](CK_ULONG n) { return std::string(reinterpret_cast<const char*>(&n), sizeof n); };
  const std::string point(reinterpret_cast<const char*>(key.point.data()), key.point.size());
  switch (type) {
    case CKA_CLASS:
      return number(is_private(object) ? CKO_PRIVATE_KEY : CKO_PUBLIC_KEY);
    case CKA_KEY_TYPE:
      return number(key.ed25519 ? CKK_EC_EDWARDS : CKK_RSA);
    case CKA_LABEL:
      return key.label;
    case CKA_ID:
      return key.id;
    case CKA_ALWAYS_AUTHENTICATE:
      return key.pin_each_time ? "\x01" : std::string(1, '\0');
    case CKA_EC_POINT:
      if (key.form == FakePkcs11::Point::raw) return point;
      return key.form == FakePkcs11::Point::der ? "\x04\x20" + point : std::string("\x03\x21\0", 3) + point;
    default:
      return "";
  }
}

bool fits(CK_OBJECT_HANDLE object, const CK_ATTRIBUTE* wanted, CK_ULONG count) {
  return std::all_of(wanted, wanted + count, [&](const CK_ATTRIBUTE& a) {
    return value_of(object, a.type) == std::string(static_cast<const char*>(a.pValue), a.ulValueLen);
  });
}

template <std::size_t N>
void pad(unsigned char (&field)[N], const std::string& text) {
  std::memset(field, ' ', N);
  std::memcpy(field, text.data(), std::min(N, text.size()));
}

CK_RV initialize(void* arguments) {
  if (const CK_RV rv = enter("C_Initialize", false)) return rv;
  if (fake.cant_lock && arguments != nullptr) return CKR_CANT_LOCK;
  if (process == getpid()) return CKR_CRYPTOKI_ALREADY_INITIALIZED;
  process = getpid();
  session_open = logged_in = false;
  fake.sessions = 0;
  ++fake.initialised;
  there.clear();
  for (const auto& one : fake.tokens) there.push_back(one.there);
  return CKR_OK;
}

CK_RV finalize(void*) {
  if (const CK_RV rv = enter("C_Finalize")) return rv;
  process = 0;
  session_open = false;
  ++fake.finalised;
  return CKR_OK;
}

CK_RV get_slot_list(unsigned char, CK_SLOT_ID* list, CK_ULONG* count) {
  if (const CK_RV rv = enter("C_GetSlotList")) return rv;
  std::vector<CK_SLOT_ID> slots;
  for (std::size_t i = 0; i < fake.tokens.size(); ++i)
    if (present(i)) slots.push_back(i);
  const CK_ULONG room = *count;
  *count = slots.size();
  if (list == nullptr) return CKR_OK;
  if (room < slots.size()) return CKR_BUFFER_TOO_SMALL;
  std::copy(slots.begin(), slots.end(), list);
  return CKR_OK;
}

CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  if (const CK_RV rv = enter("C_GetTokenInfo")) return rv;
  if (!present(slot)) return CKR_TOKEN_NOT_PRESENT;
  const FakePkcs11::Token& one = fake.tokens[slot];
  pad(info->label, one.label);
  pad(info->manufacturerID, one.manufacturer);
  pad(info->model, one.model);
  pad(info->serialNumber, one.serial);
  info->flags = CKF_TOKEN_INITIALIZED | (one.wants_pin ? CKF_LOGIN_REQUIRED : 0) |
                (one.tries == 1 ? CKF_USER_PIN_FINAL_TRY : 0) | (one.tries == 0 ? CKF_USER_PIN_LOCKED : 0);
  return CKR_OK;
}

CK_RV get_mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE, CK_MECHANISM_INFO*) {
  if (const CK_RV rv = enter("C_GetMechanismInfo")) return rv;
  return fake.tokens[slot].can_sign ? CKR_OK : CKR_MECHANISM_INVALID;
}

CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void*, CK_NOTIFY, CK_SESSION_HANDLE* session) {
  if (const CK_RV rv = enter("C_OpenSession")) return rv;
  if (!present(slot)) return CKR_TOKEN_NOT_PRESENT;
  session_slot = slot;
  session_open = true;
  logged_in = false;
  writing = (flags & CKF_RW_SESSION) != 0;
  *session = 7;
  ++fake.sessions;
  return CKR_OK;
}

CK_RV close_session(CK_SESSION_HANDLE) {
  if (const CK_RV rv = enter("C_CloseSession")) return rv;
  session_open = false;
  --fake.sessions;
  return CKR_OK;
}

CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char* pin, CK_ULONG size) {
  if (const CK_RV rv = enter("C_Login")) return rv;
  if (const CK_RV rv = in_session(session)) return rv;
  ++fake.logins;
  if (token().tries == 0) return CKR_PIN_LOCKED;
  const bool for_one = user == CKU_CONTEXT_SPECIFIC;
  if (for_one && (!logged_in || signing_key == 0)) return CKR_OPERATION_NOT_INITIALIZED;
  if (!for_one && logged_in) return CKR_USER_ALREADY_LOGGED_IN;
  if (std::string(reinterpret_cast<char*>(pin), size) != token().pin) {
    --token().tries;
    ++fake.wrong_pins;
    return CKR_PIN_INCORRECT;
  }
  token().tries = 3;
  (for_one ? may_sign : logged_in) = true;
  return CKR_OK;
}

CK_RV find_objects_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE* wanted, CK_ULONG count) {
  if (const CK_RV rv = enter("C_FindObjectsInit")) return rv;
  if (const CK_RV rv = in_session(session)) return rv;
  found.clear();
  for (CK_OBJECT_HANDLE object = 1; object <= 2 * token().keys.size(); ++object)
    if (key_of(object) != nullptr && fits(object, wanted, count)) found.push_back(object);
  return CKR_OK;
}

CK_RV find_objects(CK_SESSION_HANDLE, CK_OBJECT_HANDLE* out, CK_ULONG, CK_ULONG* count) {
  if (const CK_RV rv = enter("C_FindObjects")) return rv;
  *count = found.empty() ? 0 : 1;  // one at a time, as some do
  if (found.empty()) return CKR_OK;
  *out = found.front();
  found.erase(found.begin());
  return CKR_OK;
}

CK_RV find_objects_final(CK_SESSION_HANDLE) { return enter("C_FindObjectsFinal"); }

CK_RV get_attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* wanted, CK_ULONG count) {
  if (const CK_RV rv = enter("C_GetAttributeValue")) return rv;
  if (const CK_RV rv = in_session(session)) return rv;
  if (key_of(object) == nullptr) return CKR_OBJECT_HANDLE_INVALID;
  for (CK_ULONG i = 0; i < count; ++i) {
    const std::string value = value_of(object, wanted[i].type);
    if (wanted[i].pValue != nullptr && wanted[i].ulValueLen < value.size()) return CKR_BUFFER_TOO_SMALL;
    if (wanted[i].pValue != nullptr) std::memcpy(wanted[i].pValue, value.data(), value.size());
    wanted[i].ulValueLen = value.size();
  }
  return CKR_OK;
}

CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  if (const CK_RV rv = enter("C_SignInit")) return rv;
  if (const CK_RV rv = in_session(session)) return rv;
  if (mechanism->mechanism != CKM_EDDSA || mechanism->ulParameterLen != 0) fake.misused = true;
  if (!is_private(key) || key_of(key) == nullptr) return CKR_KEY_HANDLE_INVALID;
  signing_key = key;
  may_sign = !key_of(key)->pin_each_time;
  return CKR_OK;
}

CK_RV sign(CK_SESSION_HANDLE session, unsigned char* data, CK_ULONG size, unsigned char* out, CK_ULONG* out_size) {
  if (const CK_RV rv = enter("C_Sign")) return rv;
  if (const CK_RV rv = in_session(session)) return rv;
  const FakePkcs11::Key* key = key_of(std::exchange(signing_key, 0));
  if (key == nullptr) return CKR_KEY_HANDLE_INVALID;
  if (!may_sign) return CKR_USER_NOT_LOGGED_IN;
  const std::string made = fake.sign(key->signer, std::string(reinterpret_cast<char*>(data), size));
  if (*out_size < made.size()) return CKR_BUFFER_TOO_SMALL;
  std::memcpy(out, made.data(), made.size());
  *out_size = made.size();
  ++fake.signatures;
  return CKR_OK;
}

CK_RV generate_key_pair(CK_SESSION_HANDLE session, CK_MECHANISM*, CK_ATTRIBUTE* open, CK_ULONG count, CK_ATTRIBUTE*,
                        CK_ULONG, CK_OBJECT_HANDLE* public_half, CK_OBJECT_HANDLE* private_half) {
  if (const CK_RV rv = enter("C_GenerateKeyPair")) return rv;
  if (const CK_RV rv = in_session(session)) return rv;
  if (!writing) return CKR_SESSION_READ_ONLY;
  if (!logged_in) return CKR_USER_NOT_LOGGED_IN;
  FakePkcs11::Key key;
  key.point.fill(0x66);  // the base point
  key.point[0] = 0x58;
  for (CK_ULONG i = 0; i < count; ++i) {
    const std::string value(static_cast<char*>(open[i].pValue), open[i].ulValueLen);
    if (open[i].type == CKA_LABEL) key.label = value;
    if (open[i].type == CKA_ID) key.id = value;
    if (open[i].type == CKA_EC_PARAMS && fake.oid_only && value != "\x06\x03\x2b\x65\x70")
      return CKR_CURVE_NOT_SUPPORTED;
  }
  token().keys.push_back(key);
  *private_half = 2 * token().keys.size() - 1;
  *public_half = 2 * token().keys.size();
  return CKR_OK;
}

}  // namespace

extern "C" {

FakePkcs11* fake_pkcs11() { return &fake; }

CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  static CK_FUNCTION_LIST functions = [] {
    CK_FUNCTION_LIST f{};
    f.version = {2, 40};
    f.C_Initialize = initialize;
    f.C_Finalize = finalize;
    f.C_GetSlotList = get_slot_list;
    f.C_GetTokenInfo = get_token_info;
    f.C_GetMechanismInfo = get_mechanism_info;
    f.C_OpenSession = open_session;
    f.C_CloseSession = close_session;
    f.C_Login = login;
    f.C_FindObjectsInit = find_objects_init;
    f.C_FindObjects = find_objects;
    f.C_FindObjectsFinal = find_objects_final;
    f.C_GetAttributeValue = get_attribute_value;
    f.C_SignInit = sign_init;
    f.C_Sign = sign;
    f.C_GenerateKeyPair = generate_key_pair;
    return f;
  }();
  *list = &functions;
  return CKR_OK;
}

}  // extern "C"
