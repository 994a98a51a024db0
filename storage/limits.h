// Every limit of the formats and of the gateway's memory in one place, unit in the name, reason beside it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sealring {

constexpr std::size_t kMaxEntryBytes = 65535;  // tlog-tiles: the length in a bundle is u16
constexpr std::size_t kBundleEntries = 256;    // tlog-tiles
constexpr std::size_t kChunkBytes = 4080;      // one LMDB overflow page: 4096 less its header of 16
constexpr std::size_t kPartPayloadBytes =
    48000;  // payload in one entry of a large record: room for topic and properties
constexpr std::size_t kMaxEntryOverheadBytes = 17000;  // topic + properties of a message; above: rejected event
constexpr std::size_t kMaxPayloadBytes = 1u << 20;     // default and highest cap for one message's payload
constexpr std::size_t kMaxFrameBytes = 2u << 20;       // one group commit; a message's parts never span frames
constexpr std::size_t kJournalFrameBytes = 64u << 10;  // larger frames go to the ring directly
constexpr std::size_t kJournalHalfBytes = 1u << 20;
constexpr std::size_t kJournalSectorBytes = 512;    // a frame never shares a sector with an earlier, acknowledged one
constexpr std::size_t kPackageEntries = 256;        // tlog-mirror
constexpr std::size_t kMaxPackagesPerRequest = 32;  // tlog-mirror

static_assert(kPartPayloadBytes + kMaxEntryOverheadBytes + 512 <= kMaxEntryBytes, "a first part must fit an entry");
static_assert(kMaxPayloadBytes + (kMaxPayloadBytes / kPartPayloadBytes + 2) * 256 + kMaxEntryOverheadBytes <=
                  kMaxFrameBytes,
              "the largest message must fit a frame with all its parts");
static_assert(kJournalFrameBytes * 2 < kJournalHalfBytes, "a journal half must hold several frames");

}  // namespace sealring
