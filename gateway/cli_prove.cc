#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <thread>

#include "drivers/file.h"
#include "gateway/cli_log.h"
#include "gateway/prove.h"
#include "gateway/verify_proof.h"
#include "storage/entry.h"

namespace sealring {
namespace {

constexpr std::chrono::seconds kAnswerTime{30};
constexpr std::chrono::milliseconds kPollTime{500};

struct ProveArguments {
  LogArguments log;
  std::uint64_t index = 0;
  std::string output, entry, payload;
  bool wait = false, force = false;
};

struct Fetched {
  Bytes bytes;
  bool receipted = false;  // of a proof: as the daemon, the store or the archive has it. What it proves, verify says
};

Result<Fetched> ask(const LogAccess& access, SocketRequest::Get get, std::uint64_t index) {
  SocketRequest request;
  request.get = get;
  request.index = index;
  SEALRING_ASSIGN(const auto client, SocketClient::ask(access.socket(), socket_request_json(request)));
  SEALRING_ASSIGN(const std::string line, client->line(kAnswerTime));
  SEALRING_ASSIGN(const SocketAnswer answer, parse_socket_answer(line));
  if (answer.bytes > kMaxPayloadBytes) return reject_error("the daemon announces more bytes than there can be");
  SEALRING_ASSIGN(Bytes bytes, client->exactly(static_cast<std::size_t>(answer.bytes), kAnswerTime));
  return Fetched{std::move(bytes), answer.receipted};
}

Result<Fetched> fetch_proof(const LogAccess& access, std::uint64_t index) {
  if (access.view() == nullptr) return ask(access, SocketRequest::Get::proof, index);
  SEALRING_ASSIGN(const MadeProof made, make_proof(*access.view(), index));
  return Fetched{made.proof.encode(), made.receipted};
}

Result<Bytes> fetch_payload(const LogAccess& access, std::uint64_t index) {
  if (access.view() != nullptr) return record_payload(*access.view(), index);
  SEALRING_ASSIGN(Fetched fetched, ask(access, SocketRequest::Get::payload, index));
  return std::move(fetched.bytes);
}

// With --wait: until a checkpoint covers the record, and until its receipt is here where there is a collector. Without
// a daemon nothing changes any more, and there is nothing to wait for.
Result<Fetched> wait_for_proof(const LogAccess& access, std::uint64_t index) {
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  bool waited = false;
  for (;;) {
    Result<Fetched> proof = fetch_proof(access, index);
    if (access.view() != nullptr && !proof && proof.error().kind == ErrorKind::retry)
      return reject_error(proof.error().message +
                          "; no daemon is asked that would go on with it: --wait would wait for ever");
    const bool done = proof ? !access.expects_receipts() || proof->receipted : proof.error().kind != ErrorKind::retry;
    if (done || access.view() != nullptr) {
      if (waited && terminal) std::fprintf(stderr, "\n");
      return proof;
    }
    if (!waited && !terminal) std::fprintf(stderr, "sealring: waiting for %s\n", proof ? "the receipt" : "the seal");
    if (terminal) std::fprintf(stderr, "\rsealring: waiting for %s ", proof ? "the receipt" : "the seal   ");
    waited = true;
    std::this_thread::sleep_for(kPollTime);
  }
}

Status write_new(const std::string& path, ByteView bytes, bool force) {
  if (force) return replace_file(path, bytes);
  const Status status = create_file(path, bytes);
  if (!status.ok() && status.error().kind == ErrorKind::reject)
    return reject_error(status.error().message + "; --force replaces it");
  return status;
}

// Said before anything is waited for; write_new() still looks itself.
Status check_outputs(const ProveArguments& a) {
  if (a.force) return {};
  for (const std::string& path : {a.output, a.entry, a.payload})
    if (!path.empty() && ::access(path.c_str(), F_OK) == 0)
      return reject_error(path + " is there already; --force replaces it");
  return {};
}

// Whether the proof is of the record that was asked for: of this entry, or of the message that it is a later part of.
bool is_of(const ProofReport& report, std::uint64_t index) {
  if (report.index == index) return true;
  const Result<Entry> entry = decode_entry(report.entry);
  const auto* message = entry ? std::get_if<Message>(&entry->body) : nullptr;
  return message != nullptr && message->parts && index > report.index && index - report.index < message->parts->count;
}

int run_prove(const ProveArguments& a) {
  if (a.output.empty() && ::isatty(STDOUT_FILENO) == 1)
    return fail(reject_error("where to? Name a file with -o FILE"), kUsage);
  if (const Status s = check_outputs(a); !s.ok()) return fail(s.error());
  const Result<LogAccess> access = LogAccess::open(a.log, false);
  if (!access) return fail(access.error());
  const Result<Fetched> proof = a.wait ? wait_for_proof(*access, a.index) : fetch_proof(*access, a.index);
  if (!proof && proof.error().kind == ErrorKind::retry && access->view() == nullptr)
    return fail(retry_error(proof.error().message + "; --wait waits for that"));
  if (!proof) return fail(proof.error());
  // Nothing that would not stand up is handed on. The gateway's signature is held against the key in entry 0; where
  // that was released no key is known here, and it is left to verify, which has the anchor or the policy.
  ProofOptions check;
  check.file = proof->bytes;
  if (!a.payload.empty()) {
    Result<Bytes> payload = fetch_payload(*access, a.index);
    if (!payload) return fail(payload.error());
    check.payload = std::move(payload).value();
  }
  const ProofReport report = verify_proof(check);
  if (report.verdict != Verdict::unproven)
    return fail(fatal_error("the proof does not stand up, and was not written: " +
                            (report.findings.empty() ? "" : report.findings.front().what)));
  if (!is_of(report, a.index))
    return fail(fatal_error("the daemon answered with the proof of entry " + std::to_string(report.index) +
                            ", which was not asked for; nothing was written"));
  if (report.index != a.index)
    std::fprintf(stderr, "sealring: entry %llu is part of message %llu, which is proven\n",
                 static_cast<unsigned long long>(a.index), static_cast<unsigned long long>(report.index));
  if (!a.payload.empty())
    if (const Status s = write_new(a.payload, *check.payload, a.force); !s.ok()) return fail(s.error());
  if (!a.entry.empty())
    if (const Status s = write_new(a.entry, report.entry, a.force); !s.ok()) return fail(s.error());
  if (a.output.empty()) {
    if (!print(proof->bytes)) return kFailed;
  } else if (const Status s = write_new(a.output, proof->bytes, a.force); !s.ok()) {
    return fail(s.error());
  }
  if (!proof->receipted)
    std::fprintf(stderr,
                 "sealring: there is no receipt for this record yet: the proof rests on the gateway's own signature\n");
  return kDone;
}

}  // namespace

void add_prove(CLI::App& app, int& code) {
  auto arguments = std::make_shared<ProveArguments>();
  ProveArguments& a = *arguments;
  CLI::App* sub = app.add_subcommand("prove", "evidence for one record, as a file that anyone can check offline");
  sub->add_option("INDEX", a.index, "as `sealring tail` prints it")->required();
  sub->add_option("-o,--output", a.output, "the .tlog-proof to make; the record is inside")->type_name("FILE");
  sub->add_option("--entry", a.entry, "write the record's bytes, the leaf of the tree, here too")->type_name("FILE");
  sub->add_option("--payload", a.payload, "write the message's payload here too")->type_name("FILE");
  sub->add_flag("--wait", a.wait, "wait for the seal, and for the receipt where there is a collector");
  sub->add_flag("--force", a.force, "replace files that are there");
  add_log_options(*sub, a.log);
  sub->footer(
      "The file is a C2SP tlog-proof. It is checked before it is written; `sealring verify FILE` checks it against\n"
      "policy and anchor. An entry that the gateway has released is proven from the archive, with --from.\n\n"
      "Example:\n"
      "  sealring prove 4711 -o reading.tlog-proof\n"
      "  sealring verify reading.tlog-proof --policy policy --anchor anchor");
  sub->callback([arguments, &code] { code = run_prove(*arguments); });
}

}  // namespace sealring
