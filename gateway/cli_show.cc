#include <CLI/CLI.hpp>
#include <memory>

#include "drivers/file.h"
#include "gateway/cli_log.h"
#include "gateway/render.h"

namespace sealring {
namespace {

struct ShowArguments {
  LogArguments log;
  std::uint64_t index = 0;
  bool json = false;
  std::string payload;
};

struct Shown {
  Record record;
  std::optional<Segment> segment;
};

// The record at `index`; of a later part, the message that it belongs to where that is still here.
Result<Shown> find_record(const LogAccess& access, std::uint64_t index) {
  RecordQuery query;
  query.from = index;
  query.count = 1;
  SEALRING_ASSIGN(const auto reader, access.read(query));
  SEALRING_ASSIGN(std::optional<Record> record, reader->next());
  const bool skipped = record && record->skipped > 0;
  if (!record || record->index != index || skipped) {
    if (skipped && record->loss && record->index == index)
      return Error{
          ErrorKind::missing,
          "entry " + std::to_string(index) +
              " was dropped unsent, when the ring was full or since it was damaged: no one has it; loss entry " +
              std::to_string(*record->loss) + " says so"};
    const std::uint64_t oldest = skipped ? record->index + record->skipped : reader->first_index();
    return Error{ErrorKind::missing, index < oldest
                                         ? "entry " + std::to_string(index) + " was released: the oldest here is " +
                                               std::to_string(oldest) + "; look in the archive with --from"
                                         : "there is no entry " + std::to_string(index) + ": the log has " +
                                               std::to_string(reader->size()) + " entries"};
  }
  Shown shown{std::move(*record), reader->segment()};
  const Result<Entry> entry = decode_entry(shown.record.entry);
  const auto* part = entry ? std::get_if<Part>(&entry->body) : nullptr;
  if (part == nullptr || part->first >= index) return shown;
  Result<Shown> whole = find_record(access, part->first);
  if (!whole) return shown;
  std::fprintf(stderr, "sealring: entry %llu is part %llu of message %llu, which is shown\n",
               static_cast<unsigned long long>(index), static_cast<unsigned long long>(part->number),
               static_cast<unsigned long long>(part->first));
  return whole;
}

int run_show(const ShowArguments& a) {
  Result<LogAccess> access = LogAccess::open(a.log, false);
  if (!access) return fail(access.error());
  Result<Shown> shown = find_record(*access, a.index);
  if (!shown) return fail(shown.error());
  access->name_broker(shown->record);
  if (!a.payload.empty()) {
    const Result<Entry> entry = decode_entry(shown->record.entry);
    if (!entry || !std::holds_alternative<Message>(entry->body))
      return fail(reject_error("entry " + std::to_string(a.index) + " is no message and has no payload"));
    if (shown->record.parts_missing > 0)
      return fail(reject_error("parts of the payload are not here: nothing was written"));
    const Status written = replace_file(a.payload, shown->record.payload);
    if (!written.ok()) return fail(written.error());
  }
  const bool printed = print(a.json ? record_json(shown->record) + "\n" : record_text(shown->record, shown->segment));
  return printed ? kDone : kFailed;
}

}  // namespace

void add_show(CLI::App& app, int& code) {
  auto arguments = std::make_shared<ShowArguments>();
  ShowArguments& a = *arguments;
  CLI::App* sub = app.add_subcommand("show", "one record in full");
  sub->add_option("INDEX", a.index, "as `sealring tail` prints it")->required();
  sub->add_flag("--json", a.json, "for programs");
  sub->add_option("--payload", a.payload, "write the payload, exactly as it came, to this file")->type_name("FILE");
  add_log_options(*sub, a.log);
  sub->footer(
      "The payload is shown as JSON, as text or as a hexdump, whichever it is.\n\n"
      "Example:\n"
      "  sealring show 4711 --payload reading.bin");
  sub->callback([arguments, &code] { code = run_show(*arguments); });
}

}  // namespace sealring
