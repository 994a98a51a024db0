#include "drivers/tls_stream.h"

#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#if MBEDTLS_VERSION_NUMBER < 0x03000000
#define MBEDTLS_PRIVATE(member) member
#endif

#include <algorithm>
#include <optional>

#include "drivers/system_error.h"
#include "drivers/tls_names.h"
#include "drivers/tls_pem.h"

namespace sealring {

namespace {

constexpr std::size_t kEnoughToTell = 24;  // bytes by which to tell another protocol
constexpr std::size_t kAheadBytes = 16u << 10;
constexpr std::size_t kMaxUnsent = 64u << 10;   // one record, and alerts to a peer that provokes them without reading
constexpr int kAlertCertificateRequired = 116;  // TLS 1.3
constexpr std::uint32_t kWrongUsage =
    MBEDTLS_X509_BADCERT_EXT_KEY_USAGE | MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_NS_CERT_TYPE;

}  // namespace

// --- the stream ---

struct TlsStream::Impl {
  TcpSocket socket;
  Role role = Role::client;
  std::shared_ptr<const TlsMaterial> material;
  std::string server_name;
  std::string peer;      // "the broker"
  Bytes server_address;  // when the name is one

  CertificateChain ca = new_chain(), own = new_chain();
  PrivateKey key = new_key();
  mbedtls_ssl_config config;
  mbedtls_ssl_context ssl;

  TcpSocket::Io last_io;
  Bytes ahead;  // without waiting: received, not given to mbedTLS yet. It asks for each record in two pieces
  std::size_t ahead_at = 0;
  Bytes unsent;                 // records that wait for room in the socket
  std::size_t taken = 0;        // of write_now(): in `unsent`, to be reported when that is empty
  std::optional<Error> broken;  // what read_now() found after bytes that it had to give first
  bool waits = true;
  Failure failure = Failure::none;
  Bytes first_bytes;  // of the peer: tells other protocols from TLS
  bool handshake_done = false;
  std::string refusal;  // what is wrong with the peer's certificate
  bool peer_seen = false;
  std::string peer_subject;
  std::vector<std::string> peer_uris;

  Impl() {
    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_init(&ssl);
  }
  ~Impl() {
    mbedtls_ssl_free(&ssl);
    mbedtls_ssl_config_free(&config);
  }
  Impl(const Impl&) = delete;

  int set_up();
  int configure();
  static int on_send(void* self, const unsigned char* from, std::size_t count);
  static int on_receive(void* self, unsigned char* to, std::size_t capacity);
  int receive_ahead(unsigned char* to, std::size_t capacity);
  int send_later(const unsigned char* from, std::size_t count);
  int flush_unsent();
  static int on_verify(void* self, mbedtls_x509_crt* crt, int depth, std::uint32_t* flags);
  void note_flaws(const mbedtls_x509_crt& crt, int depth, std::uint32_t flags);
  int io_code(const TcpSocket::Io& io);
  Error failed(int code);
  std::string words(int code);
  std::string io_words() const;
  std::optional<int> unread_alert() const;
  std::string alert_words(int alert) const;
  std::string not_tls_words() const;
  std::string usage_words() const {
    return role == Role::client ? "is not meant for servers (key usage)" : "is not meant for clients (key usage)";
  }
};

namespace {

// Ephemeral ECDH and authenticated encryption. Constant-time without AES instructions: ChaCha20 last, not left out.
const int kCipherSuites[] = {
#if MBEDTLS_VERSION_NUMBER >= 0x03060000
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
#endif
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    0};

}  // namespace

int TlsStream::Impl::configure() {
  int end = role == Role::client ? MBEDTLS_SSL_IS_CLIENT : MBEDTLS_SSL_IS_SERVER;
  int code = mbedtls_ssl_config_defaults(&config, end, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
  if (code != 0) return code;
#if MBEDTLS_VERSION_NUMBER >= 0x03060000
  mbedtls_ssl_conf_min_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_2);
#else
  mbedtls_ssl_conf_min_version(&config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#endif
  mbedtls_ssl_conf_ciphersuites(&config, kCipherSuites);
  mbedtls_ssl_conf_rng(&config, random_for_mbedtls, nullptr);
  mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
  mbedtls_ssl_conf_verify(&config, on_verify, this);
  mbedtls_ssl_conf_ca_chain(&config, ca.get(), nullptr);
#if defined(MBEDTLS_SSL_SESSION_TICKETS) && defined(MBEDTLS_SSL_CLI_C)
  mbedtls_ssl_conf_session_tickets(&config, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
#endif
#if defined(MBEDTLS_SSL_RENEGOTIATION)
  mbedtls_ssl_conf_renegotiation(&config, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#endif
  return material->has_own() ? mbedtls_ssl_conf_own_cert(&config, own.get(), key.get()) : 0;
}

int TlsStream::Impl::set_up() {
  int code = parse_chain(*ca, material->ca);
  if (code == 0 && material->has_own()) code = parse_chain(*own, material->cert);
  if (code == 0 && material->has_own()) code = parse_key(*key, material->key);
  if (code == 0) code = configure();
  if (code == 0) code = mbedtls_ssl_setup(&ssl, &config);
  if (code == 0 && role == Role::client) {
    // mbedTLS 2.28 knows no addresses in certificates, and SNI has none: on_verify() checks those.
    server_address = address_bytes(server_name);
    code = mbedtls_ssl_set_hostname(&ssl, server_address.empty() ? server_name.c_str() : nullptr);
  }
  if (code == 0) mbedtls_ssl_set_bio(&ssl, this, on_send, on_receive, nullptr);
  return code;
}

int TlsStream::Impl::io_code(const TcpSocket::Io& io) {
  last_io = io;
  switch (io.outcome) {
    case TcpSocket::Io::done:
      return static_cast<int>(io.bytes);
    case TcpSocket::Io::end:
      return 0;
    case TcpSocket::Io::timeout:
      failure = Failure::timeout;
      return MBEDTLS_ERR_SSL_TIMEOUT;
    case TcpSocket::Io::woken:
      failure = Failure::stopped;
      return MBEDTLS_ERR_SSL_TIMEOUT;
    case TcpSocket::Io::would_block:  // the callers make it WANT_READ or WANT_WRITE
    case TcpSocket::Io::failed:
      break;
  }
  failure = Failure::broken;
  return MBEDTLS_ERR_NET_CONN_RESET;
}

int TlsStream::Impl::on_send(void* self, const unsigned char* from, std::size_t count) {
  auto& impl = *static_cast<Impl*>(self);
  if (!impl.waits) return impl.send_later(from, count);
  return impl.io_code(impl.socket.send(reinterpret_cast<const char*>(from), count));
}

// Takes all. mbedTLS must never find that it cannot send: it forgets whether what waits is data or the alert that a
// read has to send, and then drops data or sends it twice.
int TlsStream::Impl::send_later(const unsigned char* from, std::size_t count) {
  try {
    unsent.append(reinterpret_cast<const char*>(from), count);
  } catch (const std::bad_alloc&) {  // must not fly through C
    return MBEDTLS_ERR_SSL_ALLOC_FAILED;
  }
  int code = flush_unsent();
  if (code == 0 && unsent.size() > kMaxUnsent) code = io_code({TcpSocket::Io::failed, 0, ENOBUFS});
  return code == 0 ? static_cast<int>(count) : code;
}

// 0, or an error. What cannot be sent now stays.
int TlsStream::Impl::flush_unsent() {
  while (!unsent.empty()) {
    TcpSocket::Io io = socket.send(unsent.data(), unsent.size());
    if (io.outcome == TcpSocket::Io::would_block) return 0;
    if (io.outcome != TcpSocket::Io::done) return io_code(io);
    unsent.erase(0, io.bytes);
  }
  return 0;
}

int TlsStream::Impl::on_receive(void* self, unsigned char* to, std::size_t capacity) {
  auto& impl = *static_cast<Impl*>(self);
  if (!impl.waits) return impl.receive_ahead(to, capacity);
  TcpSocket::Io io = impl.socket.receive(reinterpret_cast<char*>(to), capacity);
  if (!impl.handshake_done && impl.first_bytes.size() < kEnoughToTell) {
    impl.first_bytes.append(reinterpret_cast<char*>(to), std::min(io.bytes, kEnoughToTell));
  }
  return impl.io_code(io);
}

// Never leaves bytes behind when it says WANT_READ: mbedTLS keeps what it was given.
int TlsStream::Impl::receive_ahead(unsigned char* to, std::size_t capacity) {
  if (ahead_at == ahead.size()) {
    ahead.resize(kAheadBytes);  // no allocation after the first time
    ahead_at = 0;
    TcpSocket::Io io = socket.receive(ahead.data(), ahead.size());
    ahead.resize(io.bytes);
    if (io.outcome == TcpSocket::Io::would_block) return MBEDTLS_ERR_SSL_WANT_READ;
    if (io.outcome != TcpSocket::Io::done) return io_code(io);
  }
  std::size_t n = std::min(capacity, ahead.size() - ahead_at);
  std::memcpy(to, ahead.data() + ahead_at, n);
  ahead_at += n;
  return static_cast<int>(n);
}

// Called for each certificate of the chain, the peer's own last (depth 0).
int TlsStream::Impl::on_verify(void* self, mbedtls_x509_crt* crt, int depth, std::uint32_t* flags) {
  auto& impl = *static_cast<Impl*>(self);
  try {
    if (depth == 0 && !impl.server_address.empty()) {
      auto addresses = addresses_of(*crt);
      if (std::find(addresses.begin(), addresses.end(), impl.server_address) == addresses.end()) {
        *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
      }
    }
    if (*flags != 0) impl.note_flaws(*crt, depth, *flags);
    if (depth == 0) {
      impl.peer_seen = true;
      impl.peer_subject = subject_of(*crt);
      impl.peer_uris = uris_of(*crt);
    }
    return 0;
  } catch (const std::bad_alloc&) {  // must not fly through C
    return MBEDTLS_ERR_SSL_ALLOC_FAILED;
  }
}

void TlsStream::Impl::note_flaws(const mbedtls_x509_crt& crt, int depth, std::uint32_t flags) {
  std::string flaws;
  auto flaw = [&](std::uint32_t flag, const std::string& text) {
    if ((flags & flag) == 0) return;
    flaws += (flaws.empty() ? "" : ", and ") + text;
    flags &= ~flag;
  };
  bool self_issued = crt.issuer_raw.len == crt.subject_raw.len &&
                     std::memcmp(crt.issuer_raw.p, crt.subject_raw.p, crt.subject_raw.len) == 0;
  flaw(MBEDTLS_X509_BADCERT_NOT_TRUSTED, "is not signed by the CA in " + material->files.ca_file + " but by " +
                                             (!self_issued ? quoted(issuer_of(crt), 200)
                                              : depth == 0 ? "itself (self-signed)"
                                                           : "itself: another CA"));
  flaw(MBEDTLS_X509_BADCERT_EXPIRED,
       "has expired on " + time_words(crt.valid_to) + " (our clock: " + now_words() + ")");
  flaw(MBEDTLS_X509_BADCERT_FUTURE,
       "is not valid before " + time_words(crt.valid_from) + " (our clock, is it right?: " + now_words() + ")");
  flaw(MBEDTLS_X509_BADCERT_CN_MISMATCH,
       "is not for name " + quoted(server_name, 255) + " but for " + names_words(crt));
  flaw(kWrongUsage, usage_words());
  flaw(MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY,
       "is signed in a way that is too weak");
  if (flags != 0) {
    char rest[512];
    int n = mbedtls_x509_crt_verify_info(rest, sizeof rest, "", flags);
    std::string text(rest, n > 0 ? static_cast<std::size_t>(n) : 0);
    std::replace(text.begin(), text.end(), '\n', ' ');
    flaw(flags, "does not do: " + text);
  }
  std::string whose = depth == 0 ? std::string("certificate ") : "certificate in the chain ";
  refusal += (refusal.empty() ? "" : "; ") + whose + quoted(subject_of(crt), 200) + " " + flaws;
}

// --- failures in words ---

std::string TlsStream::Impl::not_tls_words() const {
  if (first_bytes.empty()) return {};
  auto type = static_cast<unsigned char>(first_bytes[0]);
  bool tls = type >= 0x14 && type <= 0x18 && (first_bytes.size() < 2 || first_bytes[1] == 0x03);
  if (tls) return {};
  char more[kEnoughToTell];  // mbedTLS has read no further than the header of a record
  Bytes begin = first_bytes + Bytes(more, socket.peek(more, sizeof more));
  std::string what = "speaks plain text or another protocol, not TLS (begins " + quoted(begin, kEnoughToTell) + ")";
  return peer + " " + what + (role == Role::client ? ": is the port right?" : "");
}

// A peer that refuses our certificate hangs up while we still send, and the failure of that comes before its alert.
std::optional<int> TlsStream::Impl::unread_alert() const {
  if (handshake_done || last_io.outcome != TcpSocket::Io::failed) return std::nullopt;
  char record[7];  // type 21, version, length 2, level, description
  if (socket.peek(record, sizeof record) != sizeof record || ByteView(record, 2) != "\x15\x03") return std::nullopt;
  if (ByteView(record + 3, 3) != ByteView("\0\2\2", 3)) return std::nullopt;  // not fatal, or not in clear
  return static_cast<unsigned char>(record[6]);
}

std::string TlsStream::Impl::alert_words(int alert) const {
  const std::string& cert = material->files.cert_file;
  // The words of the alert differ from server to server; that it asked for a certificate, and had none, tells more.
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  bool asked_for_one = alert == kAlertCertificateRequired;
#else
  bool asked_for_one = ssl.client_auth != 0;
#endif
  if (role == Role::client && !material->has_own() && peer_seen && asked_for_one)
    return peer + " requires a certificate, and none of ours is configured: set cert and key";
  std::string refused = peer + " refused our certificate " + cert + ": ";
  switch (alert) {
    case MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA:
      return refused + "it is not signed by a CA that it trusts";
    case MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED:
      return refused + "expired, by its clock; ours is valid from " + time_words(own->valid_from) + " to " +
             time_words(own->valid_to) + " (our clock: " + now_words() + ")";
    case MBEDTLS_SSL_ALERT_MSG_CERT_REVOKED:
      return refused + "it is revoked";
    case MBEDTLS_SSL_ALERT_MSG_BAD_CERT:
      return refused + "it is not for the right name, or damaged";
    case MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT:
      return refused + "its kind or key usage does not do";
    case MBEDTLS_SSL_ALERT_MSG_CERT_UNKNOWN:
      return refused + "no reason given; ours is valid from " + time_words(own->valid_from) + " to " +
             time_words(own->valid_to) + " (our clock: " + now_words() + ")";
    case MBEDTLS_SSL_ALERT_MSG_ACCESS_DENIED:
      return refused + "access denied";
    case kAlertCertificateRequired:
      return peer + " requires a certificate and got none from us";
    case MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE:
      return peer + " refused the handshake: no common cipher suite, or no certificate of ours that does";
    case MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION:
      return peer + " refused our version of TLS";
    case MBEDTLS_SSL_ALERT_MSG_UNRECOGNIZED_NAME:
      return peer + " does not know the name " + quoted(server_name, 255);
    default:
      return peer + " broke off TLS with alert " + std::to_string(alert);
  }
}

std::string TlsStream::Impl::io_words() const {
  bool closed = last_io.outcome == TcpSocket::Io::end;
  bool reset = last_io.outcome == TcpSocket::Io::failed && (last_io.error == EPIPE || last_io.error == ECONNRESET);
  if (!handshake_done && first_bytes.empty() && (closed || reset)) {
    return peer + " closed the connection before it said a word of TLS: it has no room, or is no TLS server";
  }
  switch (last_io.outcome) {
    case TcpSocket::Io::done:
    case TcpSocket::Io::would_block:
      return {};
    case TcpSocket::Io::timeout:
      return "no answer from " + peer + " in time";
    case TcpSocket::Io::woken:
      return "stopped";
    case TcpSocket::Io::failed:
      return "connection to " + peer + " broken: " + errno_words(last_io.error);
    case TcpSocket::Io::end:
      break;
  }
  return peer + (handshake_done ? " cut the connection without ending TLS"
                                : " closed the connection during the TLS handshake");
}

std::string TlsStream::Impl::words(int code) {
  // A refused certificate is what matters, whatever became of the alert that told the peer.
  if (refusal.empty() && peer_seen && (mbedtls_ssl_get_verify_result(&ssl) & kWrongUsage) != 0) {
    refusal = "certificate " + quoted(peer_subject, 200) + " " + usage_words();  // checked after on_verify()
  }
  if (!refusal.empty()) return peer + "'s " + refusal;
  if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) return alert_words(ssl.MBEDTLS_PRIVATE(in_msg)[1]);
  if (std::optional<int> alert = unread_alert()) return alert_words(*alert);
  if (code == MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE) return "the client showed no certificate";
  if (!handshake_done) {
    std::string words = not_tls_words();
    if (!words.empty()) return words;
  }
  std::string words = io_words();
  if (!words.empty()) return words;
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  // mbedTLS 3.6 with TLS 1.3 sends the alert for a refused certificate under keys that the other side has left behind.
  if (code == MBEDTLS_ERR_SSL_INVALID_MAC) {
    return peer + " broke off with a record that cannot be read: it may have refused our certificate " +
           material->files.cert_file + "; its diagnostics say more";
  }
#endif
#if MBEDTLS_VERSION_NUMBER < 0x03000000
  if (code == MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION) return peer + " offers only old versions of TLS";
#else
  if (code == MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION) return peer + " offers only old versions of TLS";
#endif
  if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) return peer + " closed the connection";
  return "TLS with " + peer + " failed: " + mbedtls_words(code);
}

Error TlsStream::Impl::failed(int code) {
  if (failure == Failure::none) failure = Failure::broken;
  return retry_error(words(code));
}

// --- the outside ---

TlsStream::TlsStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsStream::~TlsStream() = default;

Result<std::unique_ptr<TlsStream>> TlsStream::create(TcpSocket socket, Role role,
                                                     std::shared_ptr<const TlsMaterial> material,
                                                     const std::string& server_name, const std::string& called) {
  auto impl = std::make_unique<Impl>();
  impl->socket = std::move(socket);
  impl->role = role;
  impl->material = std::move(material);
  impl->server_name = server_name;
  impl->peer = role == Role::client ? called : "the client";
  int code = impl->set_up();
  if (code != 0) return retry_error("cannot set up TLS: " + mbedtls_words(code));
  return std::unique_ptr<TlsStream>(new TlsStream(std::move(impl)));
}

TcpSocket& TlsStream::socket() { return impl_->socket; }

Status TlsStream::handshake() {
  int code = mbedtls_ssl_handshake(&impl_->ssl);
  if (code != 0) return impl_->failed(code);
  // With VERIFY_REQUIRED a flawed certificate has failed above; this must hold whatever mbedTLS is configured to do.
  if (mbedtls_ssl_get_verify_result(&impl_->ssl) != 0 || !impl_->peer_seen) {
    if (impl_->refusal.empty()) impl_->refusal = "certificate was not verified";
    return impl_->failed(MBEDTLS_ERR_X509_CERT_VERIFY_FAILED);
  }
  impl_->handshake_done = true;
  return {};
}

namespace {

// What a TLS 1.3 peer may send between data without being asked, and what only asks to call again.
bool call_again(int code) {
#if MBEDTLS_VERSION_NUMBER >= 0x03060000
  if (code == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) return true;
#endif
  return code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE;
}

}  // namespace

Result<std::size_t> TlsStream::read_some(char* to, std::size_t capacity) {
  if (capacity == 0) return std::size_t{0};
  int code = 0;
  do code = mbedtls_ssl_read(&impl_->ssl, reinterpret_cast<unsigned char*>(to), capacity);
  while (call_again(code));
  if (code > 0) return static_cast<std::size_t>(code);
  if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) return std::size_t{0};
  return impl_->failed(code);
}

Result<std::size_t> TlsStream::write_some(const char* from, std::size_t count) {
  if (count == 0) return std::size_t{0};
  int code = 0;
  do code = mbedtls_ssl_write(&impl_->ssl, reinterpret_cast<const unsigned char*>(from), count);
  while (call_again(code));
  if (code > 0) return static_cast<std::size_t>(code);
  return impl_->failed(code);
}

void TlsStream::stop_waiting() {
  impl_->waits = false;
  impl_->socket.stop_waiting();
}

// A broker makes a record of each message, so as many records as there are.
Result<TlsStream::Moved> TlsStream::read_now(char* to, std::size_t capacity) {
  Moved moved;
  if (impl_->broken) return *impl_->broken;
  while (moved.bytes < capacity) {
    int code =
        mbedtls_ssl_read(&impl_->ssl, reinterpret_cast<unsigned char*>(to) + moved.bytes, capacity - moved.bytes);
    if (code > 0) {
      moved.bytes += static_cast<std::size_t>(code);
    } else if (code == MBEDTLS_ERR_SSL_WANT_READ) {
      moved.blocked = true;
      break;
    } else if (!call_again(code)) {
      bool orderly = code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY;
      if (orderly && moved.bytes == 0) break;
      Error error = orderly ? retry_error(impl_->peer + " closed the connection") : impl_->failed(code);
      if (moved.bytes == 0) return error;
      impl_->broken = std::move(error);
      break;
    }
  }
  return moved;
}

Result<TlsStream::Moved> TlsStream::write_now(const char* from, std::size_t count) {
  int code = impl_->flush_unsent();
  if (code == 0 && impl_->taken == 0 && count > 0) {
    code = mbedtls_ssl_write(&impl_->ssl, reinterpret_cast<const unsigned char*>(from), count);
    if (code > 0) impl_->taken = static_cast<std::size_t>(std::exchange(code, 0));
  }
  if (code != 0) return impl_->failed(code);
  if (!impl_->unsent.empty()) return Moved{0, true};
  count = std::min(count, impl_->taken);
  impl_->taken -= count;
  return Moved{count, false};
}

bool TlsStream::pending() const {
  return impl_->broken || impl_->ahead_at < impl_->ahead.size() || mbedtls_ssl_check_pending(&impl_->ssl) != 0;
}

TlsStream::Failure TlsStream::failure() const { return impl_->failure; }

void TlsStream::close() { mbedtls_ssl_close_notify(&impl_->ssl); }

const std::string& TlsStream::peer_subject() const { return impl_->peer_subject; }
const std::vector<std::string>& TlsStream::peer_uris() const { return impl_->peer_uris; }

}  // namespace sealring
