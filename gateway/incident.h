// What a start found damaged in the store, and the entry of the log that tells of it (docs/log.md §4).
#pragma once

#include "gateway/recorder.h"
#include "storage/scrub.h"

namespace sealring {

// Says what `ring` found when it was opened, if anything, raises the alarm, and has the recorder record it, with the
// words. Once that is durable, the note in the store is `incident-<index>`, and kept. Between Recorder's open() and
// run().
void tell_incident(Recorder& recorder, Alarms& alarms, const Ring& ring, const std::string& store);

// Somebody has said how far the log was: a store whose journal was lost may have its identity key sign from now on, in
// later starts, too.
void let_sign(const std::string& store);

// What the scrub found: said, recorded, and an alarm that lasts. Each bundle has an entry of its own; the alarm is one
// for all. Any thread.
void tell_damage(Recorder& recorder, Alarms& alarms, const Scrub::Damage& damage);
// What a scrub remembers of an earlier run: the alarm begins again, without another entry.
void tell_remembered(Alarms& alarms, const Scrub::Stats& scrub);
// Nothing that the scrub found is here and damaged any more: recorded, and the alarm ends. Any thread.
void tell_whole(Recorder& recorder, Alarms& alarms);

// Keeps what is stored in the place of a bundle whose loss is recorded, as the file bundle-<number>-damaged. reject: as
// much as may be kept is there already; it is never removed, for nothing else has it.
Status keep_bundle(const std::string& store, std::uint64_t bundle, ByteView bytes);

}  // namespace sealring
