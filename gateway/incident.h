// What a start found damaged in the store, and the entry of the log that tells of it (docs/log.md §4).
#pragma once

#include "gateway/recorder.h"
#include "storage/scrub.h"

namespace sealring {

// Says what `ring` found when it was opened, if anything, and has the recorder record it: an alarm, with the words.
// Once that is durable, the note in the store is `incident-<index>`, and kept. Between Recorder's open() and run().
void tell_incident(Recorder& recorder, const Ring& ring, const std::string& store);

// What the scrub found: said, and recorded as an alarm. Any thread.
void tell_damage(Recorder& recorder, const Scrub::Damage& damage);

}  // namespace sealring
