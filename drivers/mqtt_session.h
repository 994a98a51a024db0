// Whether the broker's session has our subscriptions: for MQTT 3.1.1, where a SUBSCRIBE brings every retained message
// again, so that it is better not sent when it is not needed. (MQTT 5 has Retain Handling.)
//
// The broker does not tell what a session is subscribed to. Without the SUBSCRIBE that it needed we would wait for ever
// and hear nothing; a retained message that is recorded a second time says so itself. Hence, on any doubt: subscribe.
//   - From CONNECT until CONNACK has said that the session was kept, nothing is known, in memory and on the disk: the
//     broker may have begun a new session, and whoever dies before hearing of it must not remember the old one.
//   - Over the end of the process it is remembered only when the connection ended in order; a kill forgets it.
//   - A connection that breaks within an hour of the SUBSCRIBE: the broker may have been killed and go on from a state
//     that it saved before (Mosquitto saves twice an hour by default).
//   - Any change of broker, client id or subscriptions.
//
// A file, because only the source knows these moments: an entry of the log would come after them, and a seal may
// release the last one. One thread.
#pragma once

#include <chrono>
#include <string>

#include "drivers/mqtt_source.h"

namespace sealring {

class MqttSession {
 public:
  // The file is <config.state_folder>/subscribed-<16 hex>, one for each client id at each broker. No folder: no file.
  explicit MqttSession(const MqttSource::Config& config);

  // CONNECT is about to be sent. Whether the session, if it is still there, is subscribed.
  bool connecting();
  void resumed() { subscribed_ = true; }  // connecting() gave true, and the session is still there
  void subscribed();                      // everything is granted
  void broke();                           // the connection ended, and not by us
  void ended();                           // by us: now, after the last packet, it is written down

 private:
  std::string file_, content_;
  bool looked_ = false, subscribed_ = false;
  std::chrono::steady_clock::time_point since_;
};

}  // namespace sealring
