#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "drivers/clock.h"
#include "gateway/cli_log.h"
#include "gateway/config.h"
#include "gateway/progress.h"
#include "gateway/render.h"
#include "gateway/time_spec.h"

namespace sealring {
namespace {

constexpr std::uint64_t kDefaultLast = 20;
constexpr std::size_t kPlainWidth = 120;
constexpr std::size_t kFlushBytes = 64u << 10;

struct TailArguments {
  LogArguments log;
  bool follow = false, json = false;
  std::uint64_t last = 0;
  std::string topic, since, until;
};

Result<RecordQuery> query_of(const TailArguments& a) {
  RecordQuery query;
  const std::int64_t now = SystemClock().now().wall_ns;
  const auto time = [&](const char* option, const std::string& text, std::optional<std::int64_t>& out) -> Status {
    if (text.empty()) return {};
    Result<std::int64_t> point = parse_time(text, now);
    if (!point) return std::move(point).error().in(option);
    out = *point;
    return {};
  };
  SEALRING_TRY(time("--since", a.since, query.since_ns));
  SEALRING_TRY(time("--until", a.until, query.until_ns));
  if (!a.topic.empty()) {
    Status filter = check_filter(a.topic);
    if (!filter.ok()) return std::move(filter).error().in("--topic " + sealring::quoted(a.topic));
    query.topic = a.topic;
  }
  if (a.last > 0)
    query.last = a.last;
  else if (a.since.empty())
    query.last = kDefaultLast;
  return query;
}

// Behind what was found before it. False: cannot be printed.
bool say_skipped(const Record& gap, bool json, std::string& out) {
  if (json) {
    out += skipped_json(gap.index, gap.skipped, gap.loss) + "\n";
    return true;
  }
  if (!print(out)) return false;
  out.clear();
  if (gap.loss)
    std::fprintf(stderr,
                 "sealring: no entries %llu to %llu: they were dropped unsent, for the ring was full or they were "
                 "damaged, as entry %llu says\n",
                 static_cast<unsigned long long>(gap.index),
                 static_cast<unsigned long long>(gap.index + gap.skipped - 1),
                 static_cast<unsigned long long>(*gap.loss));
  if (gap.loss) return true;
  std::fprintf(stderr,
               "sealring: skipped %llu entries from %llu on: the gateway released them before they could be read; the "
               "archive has them\n",
               static_cast<unsigned long long>(gap.skipped), static_cast<unsigned long long>(gap.index));
  return true;
}

int run_tail(const TailArguments& a) {
  if (a.follow && (!a.log.from.empty() || !a.until.empty()))
    return fail(reject_error("-f follows a running daemon: it goes with neither --from nor --until"), kUsage);
  const Result<RecordQuery> query = query_of(a);
  if (!query) return fail(query.error(), kUsage);
  // Ctrl-C is how one leaves -f; what was printed is complete.
  if (a.follow) ::signal(SIGINT, [](int) { ::_exit(kDone); });
  Result<LogAccess> access = LogAccess::open(a.log, a.follow);
  if (!access) return fail(access.error());
  const auto reader = access->read(*query, a.follow);
  if (!reader) return fail(reader.error());
  std::string out;
  for (;;) {
    const bool quiet = !(*reader)->has_buffered();
    if ((quiet || out.size() >= kFlushBytes) && !out.empty()) {
      if (!print(out)) return kFailed;
      out.clear();
    }
    Result<std::optional<Record>> record = (*reader)->next();
    if (!record && !out.empty() && !print(out)) return kFailed;
    if (!record) return fail(record.error());
    if (!*record) break;
    if ((*record)->skipped > 0 && !say_skipped(**record, a.json, out)) return kFailed;
    if ((*record)->skipped > 0) continue;
    if (a.json || access->has_several_brokers()) access->name_broker(**record);
    out +=
        (a.json ? record_json(**record) : record_line(**record, terminal_width(STDOUT_FILENO).value_or(kPlainWidth))) +
        "\n";
  }
  return out.empty() || print(out) ? kDone : kFailed;
}

}  // namespace

void add_tail(CLI::App& app, int& code) {
  auto arguments = std::make_shared<TailArguments>();
  TailArguments& a = *arguments;
  CLI::App* sub = app.add_subcommand("tail", "the last records, or those of a time or topic, oldest first");
  sub->add_flag("-f,--follow", a.follow, "go on with what is recorded, until Ctrl-C");
  sub->add_option("-n,--last", a.last, "only the last N; by default 20, with --since all")
      ->type_name("N")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1000000000}));
  sub->add_option("--topic", a.topic, "only messages whose topic matches this MQTT filter")->type_name("FILTER");
  sub->add_option("--since", a.since, "from that time on")->type_name("TIME");
  sub->add_option("--until", a.until, "before that time")->type_name("TIME");
  add_log_options(*sub, a.log);
  sub->add_flag("--json", a.json, "one JSON object a line, with everything that the record has");
  sub->footer(
      "TIME: 14:03 or \"2026-11-25 14:03:07\" (local time), 2026-11-25T14:03:00Z, or 10min, 2h, 3d for so long ago.\n"
      "Times are those of the gateway's clock; ~ marks a record made while that was not synchronised.\n"
      "Lines fit the terminal; on one of less than 64 columns they have no date. Where sealring.toml has several\n"
      "brokers, a message's begins with its broker's name.\n"
      "What the gateway releases before it could be read is said on standard error, with --json as a line\n"
      "{\"skipped\": {\"from\": INDEX, \"count\": N}}; so is what a full ring dropped unsent, with \"loss\", the "
      "index\n"
      "of the entry that says so.\n\n"
      "Examples:\n"
      "  sealring tail -f --topic 'plant/+/temperature'\n"
      "  sealring tail --since 14:00 --until 14:05\n"
      "  sealring tail --from /srv/archive -n 100 --json");
  sub->callback([arguments, &code] { code = run_tail(*arguments); });
}

}  // namespace sealring
