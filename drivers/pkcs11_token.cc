#include "drivers/pkcs11_token.h"

#include <p11-kit/pkcs11.h>

#include <algorithm>

#include "crypto/ed25519.h"

namespace sealring {
namespace {

constexpr std::size_t kMaxObjects = 1024, kMaxAttribute = 64u << 10;
// The curve by its name (PKCS#11 3.0) and, for tokens that want that, by its OID (RFC 8410).
constexpr std::string_view kCurveName(
    "\x13\x0c"
    "edwards25519",
    14);
constexpr std::string_view kCurveOid("\x06\x03\x2b\x65\x70", 5);

}  // namespace

// A template whose values live as long as it does.
struct Pkcs11Token::Attributes {
  std::vector<std::pair<CK_ATTRIBUTE_TYPE, Bytes>> values;

  Attributes& number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
    values.emplace_back(type, Bytes(reinterpret_cast<const char*>(&value), sizeof value));
    return *this;
  }
  Attributes& flag(CK_ATTRIBUTE_TYPE type, bool value) {
    values.emplace_back(type, Bytes(1, value ? '\1' : '\0'));
    return *this;
  }
  Attributes& bytes(CK_ATTRIBUTE_TYPE type, ByteView value) {
    values.emplace_back(type, Bytes(value));
    return *this;
  }
  std::vector<CK_ATTRIBUTE> raw() {
    std::vector<CK_ATTRIBUTE> out;
    for (auto& [type, value] : values) out.push_back({type, value.data(), value.size()});
    return out;
  }
};

Result<PublicKey> decode_ec_point(ByteView value) {
  if (value.size() == 34 && value[0] == '\x04' && value[1] == '\x20') value.remove_prefix(2);
  if (value.size() != 32)
    return reject_error("its public half is not an Ed25519 point: CKA_EC_POINT has " + std::to_string(value.size()) +
                        " bytes, neither 32 nor an OCTET STRING of 32");
  const PublicKey key = to_array<32>(value);
  if (is_ed25519_key(key)) return key;
  return reject_error("its public half, " + hex(value) + ", is no Ed25519 key");
}

Result<std::unique_ptr<Pkcs11Token>> Pkcs11Token::open(const Pkcs11Uri& uri, bool write) {
  std::unique_ptr<Pkcs11Token> out(new Pkcs11Token(uri));
  SEALRING_ASSIGN(out->library_, Pkcs11Library::load(uri.module_path));
  SEALRING_ASSIGN(out->token_, out->library_->find(uri));
  const CK_FLAGS flags = CKF_SERIAL_SESSION | (write ? CKF_RW_SESSION : 0);
  const CK_RV rv = out->library_->functions().C_OpenSession(out->token_.slot, flags, nullptr, nullptr, &out->session_);
  if (rv != CKR_OK) return pkcs11_error("C_OpenSession", rv).in(out->uri_.token_words());
  return out;
}

Pkcs11Token::~Pkcs11Token() {
  if (session_ != 0) library_->functions().C_CloseSession(session_);
}

bool Pkcs11Token::wants_pin() const { return (token_.flags & CKF_LOGIN_REQUIRED) != 0; }

Status Pkcs11Token::login(ByteView pin, bool& refused) {
  refused = false;
  const std::string words = uri_.token_words();
  if ((token_.flags & CKF_USER_PIN_LOCKED) != 0)
    return reject_error(words + " is locked after too many wrong pins: its security officer must set a new one");
  if ((token_.flags & CKF_USER_PIN_FINAL_TRY) != 0)
    return reject_error(words +
                        " says that one more wrong pin locks it, so none is tried here: log in once by hand with the "
                        "right one (pkcs11-tool --login --list-objects)");
  if ((token_.flags & CKF_PROTECTED_AUTHENTICATION_PATH) != 0 && pin.empty())
    return reject_error(words + " wants its pin typed into its own keys: that needs a person at each start");
  return authenticate(CKU_USER, pin, refused);
}

Status Pkcs11Token::authenticate(unsigned long user, ByteView pin, bool& refused) const {
  Bytes copy(pin);
  const CK_RV rv =
      library_->functions().C_Login(session_, user, reinterpret_cast<CK_UTF8CHAR_PTR>(copy.data()), copy.size());
  wipe(copy);
  if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN) return {};
  refused = rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID || rv == CKR_PIN_LEN_RANGE || rv == CKR_PIN_EXPIRED;
  Error error = pkcs11_error("C_Login", rv).in(uri_.token_words());
  if (refused || rv == CKR_PIN_LOCKED || rv == CKR_USER_PIN_NOT_INITIALIZED) error.kind = ErrorKind::reject;
  return error;
}

// All of them must be seen, or a second one that fits would be overlooked.
Result<std::vector<unsigned long>> Pkcs11Token::find(Attributes wanted) const {
  const CK_FUNCTION_LIST& f = library_->functions();
  std::vector<CK_ATTRIBUTE> raw = wanted.raw();
  CK_RV rv = f.C_FindObjectsInit(session_, raw.data(), raw.size());
  if (rv != CKR_OK) return pkcs11_error("C_FindObjectsInit", rv).in(uri_.token_words());
  std::vector<unsigned long> out;
  while (out.size() <= kMaxObjects) {
    CK_OBJECT_HANDLE some[16];
    CK_ULONG count = 0;
    rv = f.C_FindObjects(session_, some, 16, &count);
    if (rv != CKR_OK || count == 0) break;
    out.insert(out.end(), some, some + std::min<CK_ULONG>(count, 16));
  }
  f.C_FindObjectsFinal(session_);
  if (rv != CKR_OK) return pkcs11_error("C_FindObjects", rv).in(uri_.token_words());
  if (out.size() > kMaxObjects)
    return reject_error(uri_.token_words() + " has more than " + std::to_string(kMaxObjects) + " objects that fit");
  return out;
}

Result<Bytes> Pkcs11Token::attribute(unsigned long object, unsigned long type) const {
  CK_ATTRIBUTE one{type, nullptr, 0};
  CK_RV rv = library_->functions().C_GetAttributeValue(session_, object, &one, 1);
  if (rv == CKR_OK && one.ulValueLen <= kMaxAttribute) {
    Bytes value(one.ulValueLen, '\0');
    one.pValue = value.data();
    rv = library_->functions().C_GetAttributeValue(session_, object, &one, 1);
    if (rv == CKR_OK && one.ulValueLen <= value.size()) {
      value.resize(one.ulValueLen);
      return value;
    }
  }
  return pkcs11_error("C_GetAttributeValue", rv).in(uri_.words());
}

Result<PublicKey> Pkcs11Token::point(unsigned long object) const {
  SEALRING_ASSIGN(const Bytes value, attribute(object, CKA_EC_POINT));
  auto key = decode_ec_point(value);
  if (!key) return std::move(key).error().in(uri_.words());
  return key;
}

Pkcs11Token::Attributes Pkcs11Token::of_uri(unsigned long object_class, bool ed25519) const {
  Attributes out;
  out.number(CKA_CLASS, object_class);
  if (ed25519) out.number(CKA_KEY_TYPE, CKK_EC_EDWARDS);
  if (!uri_.object.empty()) out.bytes(CKA_LABEL, uri_.object);
  if (!uri_.id.empty()) out.bytes(CKA_ID, uri_.id);
  return out;
}

Error Pkcs11Token::none(const char* half) const {
  const auto any = find(of_uri(half[1] == 'u' ? CKO_PUBLIC_KEY : CKO_PRIVATE_KEY, false));
  if (!any) return any.error();
  if (!any->empty()) return reject_error("the " + uri_.words() + " is not an Ed25519 key");
  return Error{ErrorKind::missing, "the " + uri_.words() + " is not there: no " + half + " key of that name or id"};
}

Result<PublicKey> Pkcs11Token::public_key() const {
  SEALRING_ASSIGN(const std::vector<unsigned long> found, find(of_uri(CKO_PUBLIC_KEY, true)));
  if (found.empty()) return none("public");
  if (found.size() > 1)
    return reject_error("several public keys fit: " + uri_.words() + "; add id=%.. to the PKCS#11 URI");
  return point(found[0]);
}

Status Pkcs11Token::take_key(const PublicKey& expected) {
  SEALRING_TRY(check_mechanism(CKM_EDDSA));
  SEALRING_ASSIGN(const std::vector<unsigned long> found, find(of_uri(CKO_PRIVATE_KEY, true)));
  if (found.empty()) return none("private");
  if (found.size() > 1)
    return reject_error("several private keys fit: " + uri_.words() + "; add id=%.. to the PKCS#11 URI");
  SEALRING_TRY(check_public(found[0], expected));
  key_ = found[0];
  const auto each_time = attribute(key_, CKA_ALWAYS_AUTHENTICATE);  // some libraries do not know the attribute
  each_time_ = each_time && *each_time == Bytes(1, '\1');
  return {};
}

// The public halves that belong to it by id, or by label where it has no id. Where there is none, the first signature
// will tell.
Status Pkcs11Token::check_public(unsigned long private_key, const PublicKey& expected) const {
  SEALRING_ASSIGN(const Bytes id, attribute(private_key, CKA_ID));
  SEALRING_ASSIGN(const Bytes label, attribute(private_key, CKA_LABEL));
  if (id.empty() && label.empty()) return {};
  Attributes wanted;
  wanted.number(CKA_CLASS, CKO_PUBLIC_KEY).number(CKA_KEY_TYPE, CKK_EC_EDWARDS);
  wanted.bytes(id.empty() ? CKA_LABEL : CKA_ID, id.empty() ? label : id);
  SEALRING_ASSIGN(const std::vector<unsigned long> found, find(wanted));
  for (const unsigned long object : found) {
    SEALRING_ASSIGN(const PublicKey key, point(object));
    if (key == expected) return {};
  }
  if (found.empty()) return {};
  return reject_error("the " + uri_.words() + " is another key than the one wanted: is it the right token?");
}

Status Pkcs11Token::check_mechanism(unsigned long mechanism) const {
  CK_MECHANISM_INFO info{};
  const CK_RV rv = library_->functions().C_GetMechanismInfo(token_.slot, mechanism, &info);
  if (rv == CKR_OK) return {};
  Error error = pkcs11_error("C_GetMechanismInfo", rv).in(uri_.token_words());
  if (rv == CKR_MECHANISM_INVALID) error.kind = ErrorKind::reject;
  return error;
}

Result<Signature> Pkcs11Token::sign(ByteView message, ByteView pin, bool& refused) const {
  refused = false;
  const CK_FUNCTION_LIST& f = library_->functions();
  CK_MECHANISM mechanism{CKM_EDDSA, nullptr, 0};
  CK_RV rv = f.C_SignInit(session_, &mechanism, key_);
  if (rv != CKR_OK) return pkcs11_error("C_SignInit", rv).in(uri_.words());
  if (each_time_) SEALRING_TRY(authenticate(CKU_CONTEXT_SPECIFIC, pin, refused));
  Bytes copy(message);
  Signature out{};
  CK_ULONG size = out.size();
  rv = f.C_Sign(session_, reinterpret_cast<CK_BYTE_PTR>(copy.data()), copy.size(), out.data(), &size);
  if (rv != CKR_OK) return pkcs11_error("C_Sign", rv).in(uri_.words());
  if (size == out.size()) return out;
  return retry_error(uri_.words() + ": C_Sign gave " + std::to_string(size) + " bytes, not the 64 of Ed25519");
}

Result<Pkcs11Key> Pkcs11Token::generate() {
  SEALRING_TRY(check_mechanism(CKM_EC_EDWARDS_KEY_PAIR_GEN));
  Pkcs11Key out;
  out.token = token_;
  out.label = uri_.object;
  out.id = uri_.id.empty() ? random_bytes(8) : uri_.id;
  for (const CK_OBJECT_CLASS half : {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY}) {
    SEALRING_ASSIGN(const auto same_id, find(Attributes().number(CKA_CLASS, half).bytes(CKA_ID, out.id)));
    SEALRING_ASSIGN(const auto same_label, find(Attributes().number(CKA_CLASS, half).bytes(CKA_LABEL, out.label)));
    if (!same_id.empty() || (!out.label.empty() && !same_label.empty()))
      return reject_error("the " + uri_.words() + " is there already: a key is never overwritten");
  }
  CK_MECHANISM mechanism{CKM_EC_EDWARDS_KEY_PAIR_GEN, nullptr, 0};
  CK_OBJECT_HANDLE public_half = 0;
  CK_RV rv = CKR_OK;
  for (const std::string_view curve : {kCurveName, kCurveOid}) {
    Attributes open, hidden;
    open.flag(CKA_TOKEN, true).flag(CKA_PRIVATE, false).flag(CKA_VERIFY, true).bytes(CKA_EC_PARAMS, curve);
    open.bytes(CKA_LABEL, out.label).bytes(CKA_ID, out.id);
    hidden.flag(CKA_TOKEN, true).flag(CKA_PRIVATE, true).flag(CKA_SENSITIVE, true).flag(CKA_EXTRACTABLE, false);
    hidden.flag(CKA_SIGN, true).bytes(CKA_LABEL, out.label).bytes(CKA_ID, out.id);
    std::vector<CK_ATTRIBUTE> a = open.raw(), b = hidden.raw();
    rv = library_->functions().C_GenerateKeyPair(session_, &mechanism, a.data(), a.size(), b.data(), b.size(),
                                                 &public_half, &key_);
    if (rv == CKR_OK) break;
    const bool curve_refused = rv == CKR_CURVE_NOT_SUPPORTED || rv == CKR_ATTRIBUTE_VALUE_INVALID ||
                               rv == CKR_DOMAIN_PARAMS_INVALID || rv == CKR_FUNCTION_FAILED || rv == CKR_GENERAL_ERROR;
    if (!curve_refused) break;
  }
  if (rv != CKR_OK) return pkcs11_error("C_GenerateKeyPair", rv).in(uri_.token_words());
  SEALRING_ASSIGN(out.key, point(public_half));
  out.is_private = true;
  return out;
}

Result<std::vector<Pkcs11Key>> Pkcs11Token::keys() const {
  std::vector<Pkcs11Key> out;
  for (const CK_OBJECT_CLASS half : {CKO_PUBLIC_KEY, CKO_PRIVATE_KEY}) {
    SEALRING_ASSIGN(const std::vector<unsigned long> found, find(of_uri(half, true)));
    for (const unsigned long object : found) {
      Pkcs11Key one;
      one.token = token_;
      SEALRING_ASSIGN(one.label, attribute(object, CKA_LABEL));
      SEALRING_ASSIGN(one.id, attribute(object, CKA_ID));
      if (half == CKO_PUBLIC_KEY) {
        auto key = point(object);
        if (key) one.key = *key;
        if (!key) one.trouble = key.error().message;
        out.push_back(std::move(one));
        continue;
      }
      const auto pair = std::find_if(out.begin(), out.end(), [&](const Pkcs11Key& k) {
        return k.id == one.id && (!one.id.empty() || k.label == one.label);
      });
      if (pair == out.end()) out.push_back(std::move(one)), out.back().is_private = true;
      if (pair != out.end()) pair->is_private = true;
    }
  }
  return out;
}

}  // namespace sealring
