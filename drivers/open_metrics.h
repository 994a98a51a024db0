// Text of OpenMetrics 1.0.0 (https://openmetrics.io, 2020-11): what Prometheus and the like read at /metrics.
//
//     OpenMetrics out;
//     out.family(OpenMetrics::counter, "sealring_messages", "Messages recorded.");
//     out.sample(7, {{"broker", "hall"}});
//     response.body = out.text();
//
// A family is begun once and its samples follow it. The unit is the last word of the name where it is `seconds`,
// `bytes` or `ratio`; `_total` of counters and `_info` are added here. No I/O; one thread.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "drivers/histogram.h"

namespace sealring {

class OpenMetrics {
 public:
  static constexpr const char* kContentType = "application/openmetrics-text; version=1.0.0; charset=utf-8";
  enum Type { gauge, counter, info, histogram };
  // Values may be anything; what is no UTF-8 or a control character in them is shown as '?'.
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  void family(Type type, std::string_view name, std::string_view help);
  void sample(std::uint64_t value, Labels labels = {});
  void sample(std::int64_t value, Labels labels = {});
  void sample(double value, Labels labels = {});
  void sample(bool value, Labels labels = {}) { sample(std::uint64_t{value}, labels); }
  void sample(const LatencyHistogram::Counts& counts, Labels labels = {});
  // A family of one sample.
  template <class Value>
  void single(Type type, std::string_view name, std::string_view help, Value value) {
    family(type, name, help);
    sample(value);
  }

  std::string text() const { return text_ + "# EOF\n"; }

 private:
  void line(std::string_view suffix, Labels labels, std::string_view le, std::string_view value);
  std::string text_, name_;
  Type type_ = gauge;
};

}  // namespace sealring
