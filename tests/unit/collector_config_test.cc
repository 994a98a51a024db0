// The table of the keys of collector.toml against the reader.
#include <catch2/catch.hpp>
#include <set>

#include "collector/config.h"
#include "collector/config_keys.h"

using namespace sealring;

namespace {

const std::string kAnchor =
    VerifierKey{"example.com/gw", KeyType::ed25519, SoftwareSigner::from_seed(Bytes(32, 'i')).value()->public_key()}
        .encode() +
    " " + std::string(64, '0');

std::string full_name(const ConfigKey& key) {
  return (key.table.empty() ? "" : std::string(key.table) + ".") + std::string(key.name);
}

// A file with every table; of its keys those that `with` accepts.
template <class Accept>
std::string file_with(Accept&& with) {
  std::string out;
  for (const ConfigTable& table : collector_config_tables()) {
    out += std::string(table.header) + "\n";
    for (const ConfigKey& key : collector_config_keys()) {
      if (key.table != table.name || !with(key)) continue;
      const bool anchor = full_name(key) == "gateway.anchor";  // the table's is shortened
      out += std::string(key.name) + " = " + (anchor ? "\"" + kAnchor + "\"" : std::string(key.value)) + "\n";
    }
  }
  return out;
}

Result<CollectorConfig> parse(const std::string& text) { return CollectorConfig::parse(text, "/etc/s/collector.toml"); }

bool required(const ConfigKey& key) { return key.kind == ConfigKey::Value::required; }

}  // namespace

TEST_CASE("config: the table and the reader know the same keys") {
  const auto all = parse(file_with([](const ConfigKey&) { return true; }));
  INFO((all.ok() ? "" : all.error().message));
  REQUIRE(all.ok());
  std::set<std::string> read, listed;
  for (const auto& [setting, value] : all->settings) {
    std::string name = setting;
    if (name.rfind("gateway.0.", 0) == 0) name.erase(8, 2);
    read.insert(name);
  }
  for (const ConfigKey& key : collector_config_keys()) listed.insert(full_name(key));
  CHECK(read == listed);
}

TEST_CASE("config: the defaults of the table are the reader's") {
  const auto by_default = parse(file_with(required));
  const auto written = parse(file_with([](const ConfigKey&) { return true; }));
  REQUIRE(by_default.ok());
  REQUIRE(written.ok());
  CHECK(by_default->settings == written->settings);
}

TEST_CASE("config: what the table calls required is") {
  for (const ConfigKey& left_out : collector_config_keys()) {
    if (!required(left_out)) continue;
    const auto config =
        parse(file_with([&](const ConfigKey& key) { return required(key) && full_name(key) != full_name(left_out); }));
    INFO(full_name(left_out));
    REQUIRE_FALSE(config.ok());
    CHECK(config.error().message.find("the key " + full_name(left_out) + " is missing") != std::string::npos);
  }
}
