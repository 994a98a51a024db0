// A PKCS#11 library of our own with what no real one does on demand: tokens that come and go, calls that hang or fail,
// both forms of CKA_EC_POINT. Loaded by its path like any other; a test in the same process reaches its state by
// fake_pkcs11(). It polices what a driver must not do: more than one thread, a function before C_Initialize, a second
// wrong pin.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

struct FakePkcs11 {
  enum class Point { raw, der, bit_string };
  struct Key {
    std::string label, id;
    std::array<std::uint8_t, 32> point{};
    bool has_private = true, has_public = true;
    bool public_hidden = false;  // seen only when logged in
    Point form = Point::der;
    bool ed25519 = true;
    bool pin_each_time = false;  // CKA_ALWAYS_AUTHENTICATE: after each C_SignInit
    int signer = 0;              // for `sign`
  };
  struct Token {
    std::string label, serial, manufacturer = "fake", model = "f1";
    bool there = true, wants_pin = true, can_sign = true;
    std::string pin = "1234";
    int tries = 3;
    std::vector<Key> keys = {};
  };

  // Set while no call is under way.
  std::vector<Token> tokens;
  bool sees_new_tokens_only_at_start = false;  // `there` is looked at by C_Initialize only
  bool cant_lock = false, oid_only = false;
  std::function<std::string(int signer, const std::string& message)> sign;
  // Before each function, with its name, on the caller's thread: may hang; what it returns, if not 0, is the answer.
  std::function<unsigned long(const std::string& function)> before;

  std::atomic<int> initialised{0}, finalised{0}, logins{0}, wrong_pins{0}, signatures{0}, sessions{0};
  std::atomic<bool> misused{false};  // sticky
  std::mutex mutex;
  std::set<std::thread::id> threads;

  void reset() {
    tokens.clear();
    sees_new_tokens_only_at_start = cant_lock = oid_only = false;
    sign = nullptr;
    before = nullptr;
    initialised = finalised = logins = wrong_pins = signatures = 0;
    misused = false;
    std::lock_guard<std::mutex> lock(mutex);
    threads.clear();
  }
};

extern "C" FakePkcs11* fake_pkcs11();
