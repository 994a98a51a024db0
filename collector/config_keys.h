// The keys of collector.toml, see manual/config_table.h.
#pragma once

#include "manual/config_table.h"

namespace sealring {

const std::vector<ConfigTable>& collector_config_tables();
const std::vector<ConfigKey>& collector_config_keys();  // in the order in which a file has them

}  // namespace sealring
