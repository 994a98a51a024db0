// One log at this collector: its witness, its mirror (mirror.h) and its directory.
//
// The witness remembers one thing, the latest checkpoint that it cosigned, and the file of it is durable before the
// signature leaves: what was signed once must never be contradicted, whatever a crash does.
//
// A fork is a checkpoint with the log's own signature that cannot be on one history with what we have: the same size
// with another root, or no proof that it extends the latest one. It is refused, and both sides are kept in evidence/.
// Witness and mirror have each their own latest checkpoint; equal sizes are compared across the two.
//
// A log's identity key can be rotated. Which key it has from which size on, the log says by signing: once a checkpoint
// of some size came with a later key, a larger one without that key, or a later one still, is refused. The first
// checkpoint of each later key is kept in keys/, before the answer goes out.
//
// A succession closes a log (docs/log.md §7): once `successor` is durable it takes no checkpoint and no entry any more,
// and its last ones stay there to be read.
//
// Any thread.
#pragma once

#include <chrono>

#include "collector/mirror.h"
#include "collector/succession_note.h"

namespace sealring {

// What the operator says about a log.
struct LogIdentity {
  VerifierKey key;              // its name is the origin; the one that the anchor has
  std::optional<Hash> genesis;  // the anchor's second half
  std::string tls_uri;          // SAN URI that the client's certificate must have; empty: any certificate
  LogKeys later = {};           // those that it was or may be rotated to, in order

  LogKeys keys() const;
};

// 403: the follower is one of our logs already, by another anchor.
HttpResponse other_anchor(const Succession& statement);

class OriginLog {
 public:
  // Makes the directory when there is none. fatal: the archive is damaged, or belongs to another anchor. The cosigners
  // must outlive the log, and so must `succession`; nullptr: it takes no succession.
  static Result<std::unique_ptr<OriginLog>> open(const std::string& archive, LogIdentity identity, Cosigner& witness,
                                                 Cosigner& mirror, SuccessionKey* succession = nullptr);
  void set_alarms(Alarms* alarms);               // null: nobody is told. Before it is used by others
  LogIdentity identity() const;                  // close() pins that of the follower
  const LogKeys& keys() const { return keys_; }  // as the identity's, made once

  // Answers. `checkpoint` is the one in `request`, its signature verified. An error: retry or fatal, see mirror.h.
  Result<HttpResponse> witness_checkpoint(const AddCheckpoint& request, const SignedCheckpoint& checkpoint);
  Result<HttpResponse> mirror_checkpoint(const AddCheckpoint& request, const SignedCheckpoint& checkpoint);
  Result<HttpResponse> add_entries(AddEntriesReader& upload);
  Result<HttpResponse> skip(const SkipRequest& request);
  // Closes the log: 200 with the countersigned note, which is durable. Of a log that is closed: the same note for the
  // same statement, and 403 for another one, which is kept as evidence. 503: the witness has cosigned something within
  // `quiet` before `now_s`. `follower`: where it is one of our logs already, pinned by this; nullptr: it is not. Only
  // of a log that has the key for it; one thread at a time among all logs, for that key.
  Result<HttpResponse> close(const SignedSuccession& succession, std::int64_t now_s, std::chrono::seconds quiet,
                             OriginLog* follower);

  // By which the log is closed; none: it is open. The follower is vouched for only where the key to verify it is here.
  std::optional<Succession> successor() const;
  // What a person should know of a log that was closed: who follows it, and by which anchor to enrol that one.
  void say_closed() const;
  // When, of a log that is closed.
  Result<std::int64_t> closed_time_s() const { return archive_.successor_time_s(); }

  // What is read by others. None of it waits for an upload under way.
  struct Summary {
    std::uint64_t witnessed = 0, archived = 0;           // sizes
    std::uint64_t bytes = 0, segments = 0, pending = 0;  // of the archive; checkpoints whose entries are to come
    std::uint64_t receipts = 0, lost = 0;                // since the start; entries that will not come
    std::int64_t accepted_unix = 0;                      // when something new was last accepted; 0: never
    bool closed = false;
  };
  Summary summary() const;
  // The latest cosigned checkpoint, as a note; empty: none yet. All that the mirror's covers has tiles already.
  Bytes witness_note() const;
  Bytes mirror_note() const;
  Bytes successor_note() const;
  const Tiles& tiles() const { return mirror_.tiles(); }

 private:
  OriginLog(const std::string& archive, LogIdentity identity, Cosigner& witness, Cosigner& mirror,
            SuccessionKey* succession);
  Status load();
  Status load_anchor();
  Status load_witness();
  Status load_keys();
  Status load_successor();
  void take_key(const SignedCheckpoint& checkpoint);
  Status keep_key(const SignedCheckpoint& checkpoint);
  std::optional<HttpResponse> refuse_former_key(const SignedCheckpoint& checkpoint);
  std::optional<HttpResponse> refuse_closed(const char* what);
  HttpResponse close_again(const SignedSuccession& succession);
  Result<std::optional<std::string>> why_not_closed(const SignedSuccession& succession) const;
  Result<bool> pin(const Succession& by, const std::string& tls_uri);
  bool is_in_use(std::int64_t now_s, std::chrono::seconds quiet) const;
  Result<std::optional<HttpResponse>> refuse(const AddCheckpoint& request, const SignedCheckpoint& checkpoint,
                                             const SignedCheckpoint* latest);
  Result<std::optional<SignedCheckpoint>> find_fork(const SignedCheckpoint& checkpoint) const;
  Result<bool> note_rollback(const SignedCheckpoint& latest, const SignedCheckpoint& offered);
  void keep_evidence(const SignedCheckpoint& known, const SignedCheckpoint& other, const std::string& what,
                     const char* kind = kAlarmForked);

  void publish();

  std::mutex mutex_;  // a log's before its follower's
  LogIdentity identity_;
  const bool anchored_;  // by the operator, in a [[gateway]]
  const LogKeys keys_;
  std::vector<std::uint64_t>
      key_since_;  // of each key: the smallest size that it, or a later one, is known to have signed
  LogArchive archive_;
  Cosigner& witness_;
  SuccessionKey* succession_;
  Mirror mirror_;
  std::optional<SignedCheckpoint> witnessed_;
  Bytes witness_note_;
  std::optional<Succession> successor_;
  Bytes successor_note_;
  Alarms* alarms_ = nullptr;
  std::int64_t accepted_unix_ = 0;
  LimitedDiag forks_, evidence_, former_, closed_, successions_;

  mutable std::mutex published_mutex_;  // and of what pin() writes to identity_
  Bytes published_witness_, published_mirror_, published_successor_;
  std::optional<Succession> published_succession_;
  Summary published_summary_;
};

}  // namespace sealring
