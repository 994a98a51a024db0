#include "gateway/record_query.h"

#include <algorithm>

#include "gateway/record_index.h"

namespace sealring {

bool topic_matches(std::string_view filter, std::string_view topic) {
  if (!topic.empty() && topic[0] == '$' && !filter.empty() && (filter[0] == '+' || filter[0] == '#')) return false;
  for (;;) {
    const std::size_t f = filter.find('/'), t = topic.find('/');
    const std::string_view word = filter.substr(0, f);
    if (word == "#") return true;
    if (word != "+" && word != topic.substr(0, t)) return false;
    if (f == std::string_view::npos) return t == std::string_view::npos;
    filter.remove_prefix(f + 1);
    if (t == std::string_view::npos) return filter == "#";
    topic.remove_prefix(t + 1);
  }
}

std::optional<Entry> carried_entry(const Carried& carried) {
  if (carried.bytes.size() != carried.length) return std::nullopt;
  Result<Entry> inner = decode_entry(carried.bytes);
  return inner ? std::optional(std::move(*inner)) : std::nullopt;
}

std::optional<ByteView> topic_of(const Entry& entry) {
  std::optional<Entry> at = entry;
  for (int opened = 0; at; ++opened) {
    if (const auto* message = std::get_if<Message>(&at->body)) return message->topic;
    const auto* carried = std::get_if<Carried>(&at->body);
    if (carried == nullptr || opened == kMaxCarried) return std::nullopt;
    at = carried_entry(*carried);
  }
  return std::nullopt;
}

RecordCursor::RecordCursor(const LogView& log, RecordQuery query, const RecordIndex* index)
    : log_(log), query_(std::move(query)), index_(index), next_(std::max(query_.from, log.first_index())) {}

// What cannot be decoded is shown as such, rather than hidden by what it might have said.
bool RecordCursor::wanted(ByteView bytes, std::uint64_t index, bool& is_part) const {
  const Result<Entry> entry = decode_entry(bytes);
  is_part = entry && std::holds_alternative<Part>(entry->body);
  if (is_part) return index == query_.from && query_.topic.empty();  // somebody asks for this very entry
  if (!entry) return query_.topic.empty();
  if (query_.since_ns && entry->common.wall_ns < *query_.since_ns) return false;
  if (query_.until_ns && entry->common.wall_ns >= *query_.until_ns) return false;
  if (query_.topic.empty()) return true;
  const auto topic = topic_of(*entry);
  return topic && topic_matches(query_.topic, *topic);
}

// Why they could not be read, where that is it.
std::optional<LossRecord> RecordCursor::loss_at(const Result<Bytes>& read, std::uint64_t index) const {
  if (read || read.error().kind != ErrorKind::missing) return std::nullopt;
  const Result<std::optional<LossRecord>> loss = log_.loss_at(index);
  return loss ? *loss : std::nullopt;
}

Status RecordCursor::seek(const std::function<bool()>& stop) {
  if (!query_.last) return {};
  std::uint64_t left = *query_.last;
  const std::uint64_t size = log_.size();  // what is recorded from here on is found by next()
  for (std::uint64_t end = size; left > 0;) {
    const std::uint64_t lowest = std::max(log_.first_index(), query_.from);
    if (end <= lowest) break;
    if (stop()) return retry_error("stopped");
    const std::uint64_t begin = std::max(lowest, (end - 1) / kBundleEntries * kBundleEntries);
    if (index_ == nullptr || index_->may_match(begin / kBundleEntries, query_)) {
      const Result<Bytes> bytes = log_.entries(begin, static_cast<std::size_t>(end - begin));
      if (!bytes && bytes.error().kind == ErrorKind::missing && begin < log_.first_index()) continue;
      const auto loss = loss_at(bytes, begin);
      if (loss) {
        end = std::max(lowest, loss->start);
        continue;
      }
      if (!bytes) return bytes.error();
      SEALRING_ASSIGN(const auto split, split_entries(*bytes, static_cast<std::size_t>(end - begin)));
      bool is_part = false;
      for (std::size_t i = split.size(); i-- > 0 && left > 0;) {
        if (!wanted(split[i], begin + i, is_part) || is_part) continue;
        next_ = begin + i;
        --left;
      }
    }
    end = begin;
  }
  if (left == *query_.last) next_ = std::max(next_, size);  // nothing matches yet
  return {};
}

Result<bool> RecordCursor::next(std::vector<FoundEntry>& out) {
  const std::uint64_t size = log_.size();
  if (const std::uint64_t first = log_.first_index(); next_ < first && !finished_) {
    out.push_back({next_, {}, first - next_});
    next_ = first;
    parts_follow_ = false;
  }
  // Parts lie in the frame of their message, which may go on in a bundle that would be left out.
  while (!parts_follow_ && index_ != nullptr && next_ < size && !index_->may_match(next_ / kBundleEntries, query_))
    next_ = std::min(size, (next_ / kBundleEntries + 1) * kBundleEntries);
  if (finished_ || next_ >= size) return false;
  const std::uint64_t end = std::min(size, (next_ / kBundleEntries + 1) * kBundleEntries);
  const Result<Bytes> bytes = log_.entries(next_, static_cast<std::size_t>(end - next_));
  if (!bytes && bytes.error().kind == ErrorKind::missing && next_ < log_.first_index()) return true;  // released
  if (const auto loss = loss_at(bytes, next_)) {
    out.push_back({next_, {}, loss->end - next_, loss->index});
    next_ = loss->end;
    parts_follow_ = false;
    return true;
  }
  if (!bytes) return bytes.error();
  SEALRING_ASSIGN(const auto split, split_entries(*bytes, static_cast<std::size_t>(end - next_)));
  for (const ByteView entry : split) {
    const std::uint64_t index = next_++;
    bool is_part = false;
    const bool want = wanted(entry, index, is_part);
    if (!is_part && query_.count && found_ == *query_.count) {
      finished_ = true;
      next_ = index;
      return true;
    }
    if (is_part ? parts_follow_ || want : want) out.push_back({index, Bytes(entry)});
    if (is_part) continue;
    parts_follow_ = want;
    found_ += want;
  }
  return true;
}

}  // namespace sealring
