// The collector's endpoints, from a request's bytes to the answer and the archive. A log with two histories that part
// at entry 8 sends what the input says: honest requests, forks, and bytes changed on the way. Whatever comes, the
// collector answers with a sentence and no 500, it never cosigns two histories, and it can be started again.
#include <algorithm>

#include "collector/service.h"
#include "crypto/sha256.h"
#include "drivers/diag.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/scratch.h"

namespace sealring::fuzz {
namespace {

constexpr std::uint64_t kSizes[] = {0, 1, 2, 3, 7, 8, 9, 16, 100, 255, 256, 257, 300, 511, 512, 513};
constexpr std::uint64_t kLargest = 513, kParting = 8;
constexpr char kOrigin[] = "example.com/gw-1", kFollower[] = "example.com/gw-1~1", kUri[] = "urn:gw-1";

std::unique_ptr<SoftwareSigner> signer(char fill) {
  return std::move(SoftwareSigner::from_seed(Bytes(32, fill))).value();
}

class FixedClock final : public Clock {
 public:
  ClockReading now() const override { return {1'795'000'000'000'000'000, 0, true}; }
};

// One history of the log; what is asked often is made once.
class History {
 public:
  explicit History(const std::string& word) {
    CompactRange range;
    roots_.push_back(range.root());
    for (std::uint64_t i = 0; i < kLargest; ++i) {
      entries_.push_back((i < kParting ? "entry " : word) + std::to_string(i));
      leaves_.push_back(leaf_hash(entries_.back()));
      range.append(leaves_.back());
      roots_.push_back(range.root());
    }
    const auto by = signer('i');
    for (const std::uint64_t size : kSizes)
      notes_[size] = std::move(sign_checkpoint({kOrigin, size, roots_[size]}, *by)).value().encode();
  }
  const Hash& root(std::uint64_t size) const { return roots_[size]; }
  Proof proof(std::uint64_t start, std::uint64_t end, std::uint64_t size) const {
    if (start == end || end > size) return {};
    const auto made = subtree_proof(start, end, size, [this](int level, std::uint64_t at) -> Result<Hash> {
      CompactRange range;
      for (std::uint64_t i = at; i < at + (std::uint64_t{1} << level); ++i) range.append(leaves_[i]);
      return range.root();
    });
    return made.ok() ? *made : Proof();
  }
  Bytes add_checkpoint(std::uint64_t old_size, std::uint64_t size) const {
    return encode_add_checkpoint({old_size, proof(0, old_size, size), notes_.at(size)});
  }
  Bytes add_entries(std::uint64_t start, std::uint64_t end, unsigned packages) const {
    Bytes body = encode_add_entries({kOrigin, std::min(start, end), end, ""});
    for (std::uint64_t i = 0; start < end && i < std::min<std::uint64_t>(packages, package_count(start, end)); ++i) {
      const PackageRange range = package_range(start, end, i);
      Bytes entries;
      for (std::uint64_t at = range.start; at < range.end; ++at) {
        put_u16(entries, static_cast<std::uint16_t>(entries_[at].size()));
        entries += entries_[at];
      }
      append_package(body, entries, proof(range.aligned, range.end, end));
    }
    return body;
  }

 private:
  std::vector<Bytes> entries_;
  std::vector<Hash> leaves_, roots_;
  std::map<std::uint64_t, Bytes> notes_;
};

const History& history(bool other) {
  static const History histories[] = {History("entry "), History("other ")};
  return histories[other];
}

Bytes succession_of(bool other, std::uint64_t size) {
  const auto by = signer('i');
  const VerifierKey follower{kFollower, KeyType::ed25519, signer('n')->public_key()};
  Note note{Succession{{kOrigin, size, history(other).root(size)}, follower, leaf_hash("genesis")}.text(), {}};
  note.signatures.push_back(std::move(sign_note_text(note.text, kOrigin, *by)).value());
  return note.encode();
}

// What a cosigner has said, and that it fits what it has said before.
class Memory {
 public:
  explicit Memory(VerifierKey key) : key_(std::move(key)) {}
  void learn(const Note& note, const Checkpoint& checkpoint) {
    if (check_cosignature(note, key_).state != SignatureState::valid) return;
    FUZZ_CHECK(checkpoint.origin == kOrigin && checkpoint.size <= kLargest);
    const bool first = checkpoint.root == history(false).root(checkpoint.size);
    const bool second = checkpoint.root == history(true).root(checkpoint.size);
    FUZZ_CHECK(first || second);
    if (!second) on_first_ = true;
    if (!first) on_second_ = true;
    FUZZ_CHECK(!(on_first_ && on_second_));
  }

 private:
  const VerifierKey key_;
  bool on_first_ = false, on_second_ = false;
};

class Session {
 public:
  Session() { open(); }
  void open() {
    service_.reset();
    CollectorService::Keys keys{{"mon.example/witness", signer('w')},
                                {"mon.example/mirror", signer('m')},
                                NamedKey{"mon.example/succession", signer('s')}};
    const VerifierKey key{kOrigin, KeyType::ed25519, signer('i')->public_key()};
    auto made = CollectorService::open(folder_.path() + "/archive", {LogIdentity{key, std::nullopt, kUri}},
                                       std::move(keys), clock_, std::chrono::milliseconds(0));
    FUZZ_CHECK(ok_or_checked(made));
    service_ = std::move(made).value();
  }
  HttpResponse send(const char* method, const std::string& target, Bytes body, bool stranger) {
    HttpRequest request;
    request.method = method;
    request.target = target;
    request.content_type = Bytes(kAddEntriesType);
    request.body = std::move(body);
    if (!stranger) request.peer_uris = {kUri};
    const HttpResponse response = service_->handle(request);
    FUZZ_CHECK_SHOW(response.status >= 200 && response.status < 500, response.body);
    const bool sentence = response.status >= 400 && response.content_type.rfind("text/plain", 0) == 0;
    if (!sentence) return response;
    FUZZ_CHECK_SHOW(response.body.size() > 2 && response.body.back() == '\n', response.body);
    check_message(ByteView(response.body).substr(0, response.body.size() - 1));
    return response;
  }
  void learn(const HttpResponse& response, ByteView checkpoint) {
    if (response.status != 200 || response.body.empty()) return;
    const auto lines = parse_signature_lines(response.body);
    const auto note = Note::parse(checkpoint);
    FUZZ_CHECK(lines.ok() && note.ok());
    learn({note->text, *lines});
  }
  void learn(const Note& note) {
    const auto checkpoint = Checkpoint::parse(note.text);
    FUZZ_CHECK(checkpoint.ok());
    witness_.learn(note, *checkpoint);
    mirror_.learn(note, *checkpoint);
  }
  // What it serves to readers is what it has cosigned.
  void read() {
    for (const char* role : {"/witness/", "/mirror/"}) {
      const HttpResponse got = send("GET", role + hex(view(sha256(kOrigin))) + "/checkpoint", "", false);
      if (got.status != 200) continue;
      const auto note = Note::parse(got.body);
      FUZZ_CHECK(ok_or_checked(note));
      learn(*note);
    }
  }

 private:
  const Scratch folder_;
  const FixedClock clock_;
  std::unique_ptr<CollectorService> service_;
  Memory witness_{{"mon.example/witness", KeyType::cosignature_v1, signer('w')->public_key()}};
  Memory mirror_{{"mon.example/mirror", KeyType::cosignature_v1, signer('m')->public_key()}};
};

void change(Bytes& body, Pieces& pieces) {
  for (unsigned n = pieces.u8() % 4; n > 0 && !body.empty(); --n) {
    const std::size_t at = pieces.u16() % body.size();
    const unsigned what = pieces.u8();
    if (what == 0)
      body.resize(at);
    else if (what == 1)
      body.insert(at, pieces.bytes(pieces.u8()));
    else
      body[at] = static_cast<char>(body[at] ^ what);
  }
}

void step(Session& session, Pieces& pieces) {
  const unsigned what = pieces.u8(), sizes = pieces.u8();
  const bool other = what & 8, stranger = what & 16;
  const std::uint64_t from = kSizes[sizes >> 4], to = kSizes[sizes & 15];
  Bytes body;
  switch (what % 8) {
    case 0:
    case 1: {
      body = history(other).add_checkpoint(std::min(from, to), to);
      if (what & 32) change(body, pieces);
      const auto response =
          session.send("POST", what & 1 ? "/mirror/add-checkpoint" : "/witness/add-checkpoint", body, stranger);
      const auto request = decode_add_checkpoint(body);
      if (request) session.learn(response, request->checkpoint);
      break;
    }
    case 2:
    case 3:
      body = history(other).add_entries(from, to, what % 8);
      if (what & 32) change(body, pieces);
      session.send("POST", "/mirror/add-entries", body, stranger);
      break;
    case 4:
      body = succession_of(other, to);
      if (what & 32) change(body, pieces);
      session.send("POST", "/succession", body, stranger);
      break;
    case 5: {
      const char* const targets[] = {"/witness/add-checkpoint", "/mirror/add-checkpoint", "/mirror/add-entries",
                                     "/succession", "/mirror/skip"};
      session.send("POST", targets[sizes % 5], Bytes(pieces.sized()), stranger);
      break;
    }
    case 6: {
      const Bytes target(pieces.bytes(pieces.u8()));
      const std::string log = (sizes & 1 ? "/mirror/" : "/witness/") + hex(view(sha256(kOrigin))) + "/";
      session.send(sizes & 2 ? "HEAD" : "GET", (sizes & 4 ? "/" : log) + target, "", stranger);
      break;
    }
    default:
      session.open();
  }
}

}  // namespace

FUZZ_TARGET(collector, 512, 4u << 20, 256) {
  static const bool quiet = (set_diag_level(static_cast<DiagLevel>(0)), true);
  FUZZ_CHECK(quiet);
  Session session;
  Pieces pieces(input);
  for (int steps = 0; steps < 16 && !pieces.empty(); ++steps) step(session, pieces);
  session.read();
  session.open();
  session.read();
}

}  // namespace sealring::fuzz
