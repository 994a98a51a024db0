#include "drivers/open_metrics.h"

#include <cstdio>

#include "drivers/utf8.h"

namespace sealring {
namespace {

const char* name_of(OpenMetrics::Type type) {
  switch (type) {
    case OpenMetrics::gauge:
      return "gauge";
    case OpenMetrics::counter:
      return "counter";
    case OpenMetrics::info:
      return "info";
    case OpenMetrics::histogram:
      return "histogram";
  }
  return "unknown";
}

std::string_view unit_of(std::string_view name) {
  const std::string_view last = name.substr(name.rfind('_') + 1);
  return last == "seconds" || last == "bytes" || last == "ratio" ? last : std::string_view();
}

std::string number(double value) {
  char out[40];
  std::snprintf(out, sizeof out, "%.12g", value);
  return out;
}

}  // namespace

void OpenMetrics::family(Type type, std::string_view name, std::string_view help) {
  type_ = type;
  name_ = std::string(name);
  text_ += "# TYPE " + name_ + " " + name_of(type) + "\n";
  if (const std::string_view unit = unit_of(name); !unit.empty())
    text_ += "# UNIT " + name_ + " " + std::string(unit) + "\n";
  text_ += "# HELP " + name_ + " " + utf8_escaped(help) + "\n";
}

void OpenMetrics::line(std::string_view suffix, Labels labels, std::string_view le, std::string_view value) {
  text_ += name_;
  text_ += suffix;
  std::string list;
  for (const auto& [label, words] : labels)
    list += (list.empty() ? "" : ",") + std::string(label) + "=\"" + utf8_escaped(words) + "\"";
  if (!le.empty()) list += (list.empty() ? "le=\"" : ",le=\"") + std::string(le) + "\"";
  if (!list.empty()) text_ += "{" + list + "}";
  text_ += " ";
  text_ += value;
  text_ += "\n";
}

void OpenMetrics::sample(std::uint64_t value, Labels labels) {
  line(type_ == counter ? "_total" : type_ == info ? "_info" : "", labels, "", std::to_string(value));
}

void OpenMetrics::sample(std::int64_t value, Labels labels) { line("", labels, "", std::to_string(value)); }

void OpenMetrics::sample(double value, Labels labels) {
  line(type_ == counter ? "_total" : "", labels, "", number(value));
}

void OpenMetrics::sample(const LatencyHistogram::Counts& counts, Labels labels) {
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < counts.counts.size(); ++i) {
    below += counts.counts[i];
    const bool last = i == LatencyHistogram::kBounds.size();
    std::string le = last ? "+Inf" : number(LatencyHistogram::kBounds[i]);
    if (le.find_first_of(".I") == std::string::npos) le += ".0";  // the canonical form of a float
    line("_bucket", labels, le, std::to_string(below));
  }
  line("_count", labels, "", std::to_string(below));
  line("_sum", labels, "", number(counts.sum_seconds));
}

}  // namespace sealring
