#include "gateway/new_store.h"

#include "crypto/checkpoint.h"
#include "crypto/merkle.h"
#include "drivers/file.h"
#include "gateway/epoch_key.h"
#include "storage/entry.h"
#include "storage/ring.h"

namespace sealring {
namespace {

Result<Bytes> genesis_entry(const NewStore& options, const PublicKey& identity, const SoftwareSigner& epoch,
                            const Clock& clock) {
  const ClockReading now = clock.now();
  Entry entry;
  entry.common.wall_ns = now.wall_ns;
  entry.common.clock = now.synchronised ? ClockState::synchronised : ClockState::unsynchronised;
  entry.common.boottime_ns = now.boottime_ns;
  Genesis genesis;
  genesis.origin = options.origin;
  genesis.identity = identity;
  genesis.epoch_key = epoch.public_key();
  genesis.software = options.software;
  entry.body = genesis;
  Bytes bytes;
  SEALRING_TRY(encode_entry(entry, bytes));
  return bytes;
}

}  // namespace

Result<Hash> create_store(const NewStore& options, const std::string& store, const PublicKey& identity,
                          const Clock& clock) {
  SEALRING_TRY(make_directories(store, 0700));
  SEALRING_ASSIGN(auto epoch, SoftwareSigner::generate());
  // Durable before the log names it. A crash here leaves key files that the next init replaces.
  SEALRING_TRY(EpochKeys(store).save(0, *epoch));
  SEALRING_ASSIGN(const Bytes entry, genesis_entry(options, identity, *epoch, clock));
  Frame frame;
  frame.header.count = 1;
  frame.header.root = leaf_hash(entry);
  SEALRING_ASSIGN(frame.header.signature, epoch->sign(Checkpoint{options.origin, 1, frame.header.root}.text()));
  put_u16(frame.entries, static_cast<std::uint16_t>(entry.size()));
  frame.entries += entry;
  SEALRING_TRY(Ring::create({store, options.ring_bytes}, options.origin, frame));
  return frame.header.root;
}

}  // namespace sealring
