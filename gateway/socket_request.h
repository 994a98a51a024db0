// What is said over the daemon's socket (docs/architecture.md), for both sides. Pure functions.
#pragma once

#include "gateway/record_query.h"

namespace sealring {

struct SocketRequest {
  enum class Get { status, records, proof, payload };
  Get get = Get::status;
  std::uint64_t index = 0;  // proof, payload
  RecordQuery query;        // records
  bool follow = false;
};

// Strict: an unknown key, a value of another type or out of range is refused, and the message says which.
Result<SocketRequest> parse_socket_request(std::string_view line);
std::string socket_request_json(const SocketRequest& request);  // no newline

std::string error_json(const Error& error);
// With the segment that `index` lies in, where one is asked for and known.
std::string records_head_json(const LogView& log, std::optional<std::uint64_t> index);
std::optional<Segment> segment_of(const LogView& log, std::uint64_t index);  // without its note
std::string end_json(std::uint64_t next);
// `loss`: not released, but dropped unsent; the index of the entry that says so.
std::string skipped_json(std::uint64_t from, std::uint64_t count, std::optional<std::uint64_t> loss);
std::string proof_head_json(std::uint64_t bytes, std::uint64_t size, bool receipted);
std::string payload_head_json(std::uint64_t bytes);

struct SocketAnswer {  // the first line of an answer, or what is said between records
  std::string origin;
  std::uint64_t first_index = 0, size = 0, bytes = 0;  // bytes: that follow
  bool receipted = false;                              // the proof that follows is under a receipt
  std::optional<Segment> segment;
  std::uint64_t skipped_from = 0, skipped = 0;
  std::optional<std::uint64_t> skipped_loss;
};
// The error that the line reports, if it does. reject: not a line of this protocol.
Result<SocketAnswer> parse_socket_answer(std::string_view line);

constexpr std::uint64_t kEndOfRecords = UINT64_MAX, kSkippedRecords = UINT64_MAX - 1;
void put_record(std::string& out, std::uint64_t index, ByteView entry);

}  // namespace sealring
