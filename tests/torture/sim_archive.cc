#include "tests/torture/sim_archive.h"

#include <algorithm>
#include <filesystem>

#include "drivers/file.h"
#include "gateway/alarm_kinds.h"
#include "storage/entry.h"
#include "tests/torture/sim_world.h"

namespace sealring::sim {
namespace {

std::string range_words(std::uint64_t start, std::uint64_t end) {
  return "[" + std::to_string(start) + ", " + std::to_string(end) + ")";
}

bool tells_of_damage(const Event& event) {
  if (event.code != EventCode::alarm) return false;
  const Detail* kind = find_detail(event, "alarm");
  const auto* words = kind != nullptr ? std::get_if<ByteView>(&kind->value) : nullptr;
  return words != nullptr && *words == ByteView(kAlarmDamage);
}

}  // namespace

void ArchiveReading::take(std::uint64_t index, ByteView bytes) {
  const auto entry = decode_entry(bytes);
  if (!entry) fail("entry " + std::to_string(index) + " of the archive: " + entry.error().message);
  if (const auto* message = std::get_if<Message>(&entry->body)) {
    const std::string name(message->payload.substr(0, kMarked));
    Archived& same = messages_[name];
    ++same.all;
    same.flagged += message->possible_duplicate_of.has_value();
    names_.emplace(index, name);
  } else if (const auto* loss = std::get_if<Loss>(&entry->body)) {
    losses_.emplace(index, *loss);
  } else if (const auto* event = std::get_if<Event>(&entry->body)) {
    damage_alarms_ += tells_of_damage(*event);
  }
}

void ArchiveReading::read() {
  const std::string segments = folder_ + "/segments";
  if (!std::filesystem::exists(segments)) return;
  for (const auto& file : std::filesystem::directory_iterator(segments)) {
    const std::string name = file.path().filename().string();
    if (file.path().extension() != ".seg" || name.front() == '.' || !read_.insert(name).second) continue;
    const auto bytes = read_file(file.path());
    if (!bytes) fail("archive: " + bytes.error().message);
    const auto segment = decode_segment_file(*bytes);
    if (!segment) fail(name + ": " + segment.error().message);
    const auto hole = [this](const SegmentHole& one) { holes_.emplace(one.loss_index, one); };
    const Status walked = walk_entries(
        segment->start, segment->end, segment->entries, segment->holes,
        [this](std::uint64_t index, ByteView entry) { take(index, entry); }, hole);
    if (!walked.ok()) fail(name + ": " + walked.error().message);
  }
}

std::size_t ArchiveReading::messages_between(std::uint64_t start, std::uint64_t end) const {
  return static_cast<std::size_t>(std::distance(names_.lower_bound(start), names_.lower_bound(end)));
}

std::set<std::string> ArchiveReading::dropped(const std::vector<std::string>& published) const {
  std::map<std::string, std::size_t> place;
  for (const std::string& name : published) place.emplace(name, place.size());
  std::map<std::uint64_t, std::uint64_t> in_order;  // start of the range -> index of the loss entry
  for (const auto& [index, loss] : losses_) in_order.emplace(loss.start, index);
  std::set<std::string> out;
  std::size_t next = 0;  // in `published`
  for (const auto& [start, index] : in_order) {
    const Loss& loss = losses_.at(index);
    const auto hole = holes_.find(index);
    const std::uint64_t first = hole == holes_.end() ? loss.end : hole->second.from;
    if (hole != holes_.end() && (hole->second.start != start || hole->second.end != loss.end))
      fail("the hole of loss entry " + std::to_string(index) + " is another one");
    const std::size_t came = messages_between(start, first);
    const std::string words = "entry " + std::to_string(index) + " says " + std::to_string(loss.messages) +
                              " messages of " + range_words(start, loss.end) + ", of which " + std::to_string(came) +
                              " came";
    if (came > loss.messages || loss.messages - came > loss.end - first) fail(words);
    for (auto one = names_.begin(); one != names_.lower_bound(first); ++one)
      next = std::max(next, place.at(one->second) + 1);
    for (std::size_t more = static_cast<std::size_t>(loss.messages) - came; more > 0; --more, ++next) {
      const auto again = next < published.size() ? messages_.find(published[next]) : messages_.end();
      // Of what is damaged nobody has counted the messages: it has as many as are missing.
      if (loss.damaged &&
          (next >= published.size() || (again != messages_.end() && again->second.all != again->second.flagged)))
        break;
      if (next >= published.size()) fail(words + "; so many were not published");
      if (again == messages_.end())
        out.insert(published[next]);
      else if (again->second.all != again->second.flagged)
        fail(words + "; of the others " + sealring::quoted(published[next]) + " is archived elsewhere");
    }
  }
  for (const auto& [index, hole] : holes_)
    if (losses_.count(index) == 0) fail("a hole at " + std::to_string(hole.from) + " without a loss entry");
  return out;
}

bool ArchiveReading::only_damage() const {
  return std::all_of(losses_.begin(), losses_.end(), [](const auto& one) { return one.second.damaged; });
}

void ArchiveReading::compare(const std::vector<LossSeen>& seen) const {
  std::set<std::uint64_t> named;
  for (const LossSeen& one : seen) {
    const auto hole = holes_.find(one.index);
    const bool same = hole == holes_.end() ? !one.missing_from : one.missing_from == hole->second.from;
    if (losses_.count(one.index) == 0 || !same) fail("verify sees another loss at entry " + std::to_string(one.index));
    named.insert(one.index);
  }
  if (named.size() != losses_.size()) fail("verify names " + std::to_string(named.size()) + " losses");
}

}  // namespace sealring::sim
