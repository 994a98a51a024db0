// The signer against a library of our own that fails on demand.
#include <dlfcn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <fstream>

#include "drivers/pkcs11_signer.h"
#include "drivers/pkcs11_token.h"
#include "tests/pkcs11/fake_module.h"
#include "tests/unit/temp_dir.h"

using namespace sealring;
using namespace std::chrono_literals;

namespace {

// Of p11-kit/pkcs11.h.
constexpr unsigned long kDeviceRemoved = 0x32, kGeneralError = 0x5, kSessionInvalid = 0xb3;

FakePkcs11& fake() {
  static FakePkcs11* const state = [] {
    void* const handle = dlopen(SEALRING_FAKE_PKCS11, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) FAIL(dlerror());
    return reinterpret_cast<FakePkcs11* (*)()>(dlsym(handle, "fake_pkcs11"))();
  }();
  return *state;
}

struct Fixture {
  TempDir dir;
  std::vector<std::unique_ptr<SoftwareSigner>> keys;

  Fixture() {
    fake().reset();
    for (int i = 0; i < 3; ++i) keys.push_back(std::move(SoftwareSigner::generate()).value());
    fake().sign = [this](int signer, const std::string& message) {
      return Bytes(view(*keys[static_cast<std::size_t>(signer)]->sign(message)));
    };
    pin("1234\n");
    fake().tokens.push_back({"gateway", "11"});
    fake().tokens[0].keys.push_back(key("identity", "\x01", 0));
  }
  ~Fixture() {
    CHECK_FALSE(fake().misused);
    fake().reset();
  }
  FakePkcs11::Key key(const std::string& label, const std::string& id, int signer) const {
    FakePkcs11::Key out;
    out.label = label;
    out.id = id;
    out.point = keys[static_cast<std::size_t>(signer)]->public_key();
    out.signer = signer;
    return out;
  }
  void pin(const std::string& text, unsigned mode = 0600) const {
    std::ofstream(dir.file("pin")) << text;
    ::chmod(dir.file("pin").c_str(), mode);
  }
  Pkcs11Uri uri(const std::string& path = "token=gateway;object=identity", bool with_pin = true) const {
    auto parsed = Pkcs11Uri::parse("pkcs11:" + path + "?module-path=" SEALRING_FAKE_PKCS11 +
                                   (with_pin ? "&pin-source=file:" + dir.file("pin") : ""));
    if (!parsed) FAIL(parsed.error().message);
    return *parsed;
  }
  Pkcs11Signer::Config config(const Pkcs11Uri& where) const {
    Pkcs11Signer::Config out;
    out.uri = where;
    out.public_key = keys[0]->public_key();
    return out;
  }
  Pkcs11Signer signer() const { return Pkcs11Signer(config(uri())); }
};

std::string outcome(Signer& signer) {
  const auto made = signer.sign("message");
  if (!made) return made.error().message;
  return ed25519_verify(signer.public_key(), "message", *made) ? "signed" : "a signature that does not verify";
}

}  // namespace

TEST_CASE_METHOD(Fixture, "pkcs11 signer: signs, with one session and one thread that is not the caller's") {
  {
    auto signer = this->signer();
    for (int i = 0; i < 3; ++i) CHECK(outcome(signer) == "signed");
    CHECK(fake().initialised == 1);
    CHECK(fake().logins == 1);
    CHECK(fake().sessions == 1);
    CHECK(fake().threads.size() == 1);
    CHECK(fake().threads.count(std::this_thread::get_id()) == 0);
  }
  CHECK(fake().finalised == 1);
  CHECK(fake().sessions == 0);
}

TEST_CASE_METHOD(Fixture, "pkcs11 signer: forms of tokens") {
  SECTION("a raw point") { fake().tokens[0].keys[0].form = FakePkcs11::Point::raw; }
  SECTION("no public half") { fake().tokens[0].keys[0].has_public = false; }
  SECTION("a library that cannot be used with locks") { fake().cant_lock = true; }
  SECTION("a token that wants no pin") {
    fake().tokens[0].wants_pin = false;
    pin("", 0644);
  }
  SECTION("neither label nor id") {
    fake().tokens[0].keys[0] = key("", "", 0);
    Pkcs11Uri any = uri();
    any.object.clear();
    Pkcs11Signer signer(config(any));
    CHECK(outcome(signer) == "signed");
    return;
  }
  auto signer = this->signer();
  CHECK(outcome(signer) == "signed");
}

TEST_CASE_METHOD(Fixture, "pkcs11 signer: which key") {
  auto& token = fake().tokens[0];
  const auto with = [&](const std::string& path) {
    Pkcs11Signer signer(config(uri(path)));
    return outcome(signer);
  };
  SECTION("several tokens fit") {
    fake().tokens.push_back({"gateway", "22"});
    CHECK_THAT(with("token=gateway;object=identity"), Catch::Contains("several tokens fit: \"gateway\" serial \"11\", "
                                                                      "\"gateway\" serial \"22\"; add serial="));
    CHECK(with("token=gateway;serial=11;object=identity") == "signed");
    CHECK_THAT(with("token=gateway;serial=22;object=identity"), Catch::Contains("no private key of that name or id"));
  }
  SECTION("several keys fit") {
    token.keys.push_back(key("identity", "\x02", 1));
    CHECK_THAT(with("token=gateway;object=identity"), Catch::Contains("several private keys fit"));
    CHECK(with("token=gateway;object=identity;id=%01") == "signed");
    CHECK(with("token=gateway;id=%01") == "signed");
    CHECK_THAT(with("token=gateway;id=%02"), Catch::Contains("is another key than the one wanted"));
  }
  SECTION("no such token") {
    fake().tokens.push_back({"other", "22"});
    CHECK_THAT(with("token=absent;object=identity"), Catch::Contains("token \"absent\" is not there") &&
                                                         Catch::Contains("\"gateway\" serial \"11\"") &&
                                                         Catch::Contains("\"other\""));
    CHECK_THAT(with("token=gateway;manufacturer=real;object=identity"), Catch::Contains("is not there"));
    CHECK_THAT(with("token=gateway;model=f2;object=identity"), Catch::Contains("is not there"));
    CHECK(with("token=gateway;manufacturer=fake;model=f1;object=identity") == "signed");
  }
  SECTION("no such key") {
    CHECK_THAT(with("token=gateway;object=absent"),
               Catch::Contains("key \"absent\" of token \"gateway\" is not there: no private key"));
  }
  SECTION("of another kind") {
    token.keys[0].ed25519 = false;
    CHECK_THAT(with("token=gateway;object=identity"), Catch::Contains("is not an Ed25519 key"));
  }
  SECTION("a token that cannot do it") {
    token.can_sign = false;
    CHECK_THAT(with("token=gateway;object=identity"), Catch::Contains("does not do Ed25519 (CKM_EDDSA)"));
  }
  SECTION("a point of an unknown form") {
    token.keys[0].form = FakePkcs11::Point::bit_string;
    CHECK_THAT(with("token=gateway;object=identity"), Catch::Contains("CKA_EC_POINT has 35 bytes"));
  }
  SECTION("a public half of small order") {
    token.keys[0].point = {1};
    CHECK_THAT(with("token=gateway;object=identity"),
               Catch::Contains("its public half, 01") && Catch::Contains("00, is no Ed25519 key"));
    CHECK_THAT(pkcs11_public_key({uri("token=gateway;object=identity")}).error().message,
               Catch::Contains("is no Ed25519 key"));
  }
  SECTION("another one's private half under this public half") {
    token.keys[0].signer = 1;
    CHECK_THAT(with("token=gateway;object=identity"), Catch::Contains("does not verify"));
  }
  SECTION("another one's, and no public half to see it by") {
    token.keys[0] = key("identity", "\x01", 1);
    token.keys[0].has_public = false;
    Pkcs11Signer signer(config(uri()));
    const auto made = signer.sign("message");
    REQUIRE_FALSE(made.ok());
    CHECK(made.error().kind == ErrorKind::fatal);
  }
}

TEST_CASE_METHOD(Fixture, "pkcs11 signer: a key that wants the pin for each signature") {
  auto& token = fake().tokens[0];
  token.keys[0].pin_each_time = true;
  auto signer = this->signer();
  for (int i = 0; i < 3; ++i) CHECK(outcome(signer) == "signed");
  CHECK(fake().logins == 4);
  CHECK(fake().initialised == 1);
  SECTION("that the token does not like any more is offered once") {
    token.pin = "5678";
    CHECK_THAT(outcome(signer),
               Catch::Contains("has refused the pin in /") && Catch::Contains("it is not tried again"));
    CHECK(fake().wrong_pins == 1);
    pin("5678\n");
    CHECK(outcome(signer) == "signed");
    CHECK(fake().wrong_pins == 1);
  }
  SECTION("that has gone from its file") {
    ::unlink(dir.file("pin").c_str());
    CHECK_THAT(outcome(signer), Catch::Contains("/pin"));
    pin("1234\n");
    CHECK(outcome(signer) == "signed");
  }
}

TEST_CASE_METHOD(Fixture, "pkcs11 signer: what fails once is opened anew and tried once more") {
  auto signer = this->signer();
  REQUIRE(outcome(signer) == "signed");
  std::atomic<int> failures{1};
  unsigned long answer = 0;
  std::string where;
  SECTION("a lost session") { where = "C_SignInit", answer = kSessionInvalid; }
  SECTION("a token that was out for a moment") { where = "C_Sign", answer = kDeviceRemoved; }
  SECTION("a library that fails") { where = "C_Sign", answer = kGeneralError; }
  fake().before = [&](const std::string& function) -> unsigned long {
    return function == where && failures-- > 0 ? answer : 0;
  };
  CHECK(outcome(signer) == "signed");
  CHECK(fake().initialised == 2);
  CHECK(fake().finalised == 1);
  CHECK(fake().logins == 2);

  failures = 2;
  CHECK_THAT(outcome(signer), Catch::Contains("C_Sign"));
  CHECK(failures == 0);  // tried twice, not three times
  CHECK(outcome(signer) == "signed");
}

TEST_CASE_METHOD(Fixture, "pkcs11 signer: a signature that does not verify is made again") {
  auto signer = this->signer();
  std::atomic<int> wrong{1};
  fake().sign = [&](int, const std::string& message) {
    Bytes made(view(*keys[0]->sign(message)));
    if (wrong-- > 0) made[5] = static_cast<char>(made[5] ^ 1);
    return made;
  };
  CHECK(outcome(signer) == "signed");
  wrong = 100;
  const auto made = signer.sign("message");
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().kind == ErrorKind::fatal);
  CHECK_THAT(made.error().message, Catch::Contains("does not verify"));
  CHECK(wrong == 98);
  wrong = 0;
  fake().sign = [&](int, const std::string&) { return Bytes(63, 'x'); };
  CHECK_THAT(outcome(signer), Catch::Contains("C_Sign gave 63 bytes"));
}

TEST_CASE_METHOD(Fixture, "pkcs11 signer: a token that goes and comes back") {
  fake().sees_new_tokens_only_at_start = GENERATE(false, true);
  auto signer = this->signer();
  SECTION("in use") { REQUIRE(outcome(signer) == "signed"); }
  SECTION("not yet there at the first signature") {}
  fake().tokens[0].there = false;
  if (fake().initialised != 0)
    fake().before = [&](const std::string& f) { return f == "C_SignInit" ? kDeviceRemoved : 0; };
  for (int i = 0; i < 3; ++i) {
    const auto made = signer.sign("message");
    REQUIRE_FALSE(made.ok());
    CHECK_THAT(made.error().message, Catch::Contains("token \"gateway\" is not there; the library sees no token"));
  }
  fake().before = nullptr;
  fake().tokens[0].there = true;
  CHECK(outcome(signer) == "signed");
}

TEST_CASE_METHOD(Fixture, "pkcs11 signer: a wrong pin is offered once") {
  pin("4321");
  auto signer = this->signer();
  CHECK_THAT(outcome(signer), Catch::Contains("the pin in " + dir.file("pin")) && Catch::Contains("the pin is wrong") &&
                                  !Catch::Contains("4321"));
  for (int i = 0; i < 5; ++i)
    CHECK_THAT(outcome(signer), Catch::Contains("has refused the pin in") && Catch::Contains("not tried again") &&
                                    !Catch::Contains("4321"));
  CHECK(fake().wrong_pins == 1);
  pin("1111");
  CHECK_THAT(outcome(signer), Catch::Contains("the pin is wrong"));
  CHECK(fake().wrong_pins == 2);

  // The token says that one try is left.
  pin("1234");
  CHECK_THAT(outcome(signer), Catch::Contains("one more wrong pin locks it"));
  CHECK(fake().logins == 2);
  fake().tokens[0].tries = 3;  // somebody logged in by hand
  CHECK(outcome(signer) == "signed");
}

TEST_CASE_METHOD(Fixture, "pkcs11 signer: a pin that becomes wrong while the token is in use") {
  auto signer = this->signer();
  REQUIRE(outcome(signer) == "signed");
  fake().tokens[0].pin = "9999";
  CHECK(outcome(signer) == "signed");  // the session still stands
  std::atomic<int> failures{1};
  fake().before = [&](const std::string& f) { return f == "C_Sign" && failures-- > 0 ? kSessionInvalid : 0; };
  CHECK_THAT(outcome(signer), Catch::Contains("the pin is wrong"));
  CHECK_THAT(outcome(signer), Catch::Contains("not tried again"));
  CHECK(fake().wrong_pins == 1);
}

TEST_CASE_METHOD(Fixture, "pkcs11 signer: pins that cannot be used") {
  auto signer = this->signer();
  std::string words;
  SECTION("locked") { fake().tokens[0].tries = 0, words = "is locked after too many wrong pins"; }
  SECTION("no file") { ::unlink(dir.file("pin").c_str()), words = "pin"; }
  SECTION("open to others") { pin("1234", 0644), words = "chmod"; }
  SECTION("two lines") { pin("1234\n5678\n"), words = "in one line"; }
  SECTION("empty") { pin("\n"), words = "has no pin in it"; }
  CHECK_THAT(outcome(signer), Catch::Contains(words));
  CHECK(fake().logins == 0);
}

TEST_CASE_METHOD(Fixture, "pkcs11 signer: where a pin comes from") {
  SECTION("nowhere") {
    Pkcs11Signer signer(config(uri("token=gateway;object=identity", false)));
    CHECK_THAT(outcome(signer), Catch::Contains("wants a pin: add &pin-source="));
  }
  SECTION("a credential") {
    auto with = config(uri());
    with.uri.pin_source = "credential:pin";
    Pkcs11Signer none(with);
    CHECK_THAT(outcome(none), Catch::Contains("$CREDENTIALS_DIRECTORY"));
    with.credentials = dir.path();
    pin("1234", 0440);
    Pkcs11Signer signer(with);
    CHECK(outcome(signer) == "signed");
  }
}

TEST_CASE_METHOD(Fixture, "pkcs11 signer: a library that hangs keeps nobody") {
  struct Gate {
    std::mutex mutex;
    std::condition_variable opened;
    bool open = false;
    std::atomic<int> waiting{0};
  };
  const auto gate = std::make_shared<Gate>();
  fake().before = [gate](const std::string& function) -> unsigned long {
    if (function != "C_Sign") return 0;
    std::unique_lock<std::mutex> lock(gate->mutex);
    ++gate->waiting;
    gate->opened.wait(lock, [&] { return gate->open; });
    return 0;
  };
  auto with = config(uri());
  with.timeout = 50ms;
  {
    Pkcs11Signer signer(with);
    for (int i = 0; i < 3; ++i) {
      const auto made = signer.sign("message");
      REQUIRE_FALSE(made.ok());
      CHECK(made.error().kind == ErrorKind::retry);
      CHECK_THAT(made.error().message, Catch::Contains("token \"gateway\" has not answered within 50 ms"));
    }
    CHECK(gate->waiting <= 1);  // none was begun beside it
    SECTION("and works again when it has come back") {
      {
        std::lock_guard<std::mutex> lock(gate->mutex);
        gate->open = true;
        gate->opened.notify_all();
      }
      const auto deadline = std::chrono::steady_clock::now() + 20s;
      while (outcome(signer) != "signed")
        if (std::chrono::steady_clock::now() > deadline) FAIL("it does not sign again");
    }
    SECTION("and the signer can go before it has come back") {}
  }
  {
    std::lock_guard<std::mutex> lock(gate->mutex);
    gate->open = true;
    gate->opened.notify_all();
  }
  // The thread that was left behind closes what it had.
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (fake().finalised != fake().initialised)
    if (std::chrono::steady_clock::now() > deadline) FAIL("the library was not finalised");
}

TEST_CASE("deadline thread: says that a job has run only if it has") {
  for (int i = 0; i < 300; ++i) {
    DeadlineThread thread;
    const auto open = std::make_shared<std::atomic<bool>>(false);
    const auto hang = [open] {
      while (!*open) std::this_thread::yield();
    };
    CHECK_FALSE(thread.run(hang, 0ms));
    std::thread opener([open] { *open = true; });
    const auto ran = std::make_shared<std::atomic<bool>>(false);
    const bool said = thread.run([ran] { *ran = true; }, 20s);
    opener.join();
    if (said != *ran) FAIL("it says " << said << ", and the job has run: " << *ran);
  }
}

TEST_CASE("deadline thread: who gives up does not wait for the deadline") {
  DeadlineThread thread;
  const auto open = std::make_shared<std::atomic<bool>>(false);
  std::atomic<bool> give_up{false};
  std::thread stopper([&] {
    give_up = true;
    thread.wake();
  });
  const auto hang = [open] {
    while (!*open) std::this_thread::yield();
  };
  CHECK_FALSE(thread.run(hang, 10min, &give_up));
  stopper.join();
  *open = true;
}

TEST_CASE_METHOD(Fixture, "pkcs11 signer: works on in a forked process") {
  auto signer = this->signer();
  REQUIRE(outcome(signer) == "signed");
  const pid_t child = fork();
  if (child == 0) {
    // The parent's session is not the child's, not even to close.
    std::string first;
    fake().before = [&first](const std::string& function) -> unsigned long {
      if (first.empty()) first = function;
      return 0;
    };
    const bool made = signer.sign("message").ok();
    _exit(made && first == "C_Initialize" ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(outcome(signer) == "signed");
  CHECK(fake().initialised == 1);
}

TEST_CASE_METHOD(Fixture, "pkcs11: the library itself") {
  const auto with = [&](const std::string& path) {
    auto c = config(uri());
    c.uri.module_path = path;
    Pkcs11Signer signer(c);
    return outcome(signer);
  };
  CHECK_THAT(with(dir.file("absent.so")),
             Catch::Contains("cannot load the PKCS#11 library") && Catch::Contains("absent.so"));
  CHECK_THAT(with("/lib/x86_64-linux-gnu/libz.so.1") + with("/lib/aarch64-linux-gnu/libz.so.1"),
             Catch::Contains("has no C_GetFunctionList"));
  auto signer = this->signer();
  fake().before = [](const std::string& f) { return f == "C_Initialize" ? kGeneralError : 0; };
  CHECK_THAT(outcome(signer), Catch::Contains("C_Initialize answered CKR_GENERAL_ERROR"));
  fake().before = [](const std::string& f) { return f == "C_FindObjects" ? 0x1234ul : 0; };
  CHECK_THAT(outcome(signer), Catch::Contains("C_FindObjects answered error 0x1234"));
  fake().before = nullptr;
  CHECK(outcome(signer) == "signed");
}

TEST_CASE_METHOD(Fixture, "pkcs11: the public key, with a pin only where it is hidden") {
  const auto found = pkcs11_public_key({uri()});
  if (!found) FAIL(found.error().message);
  CHECK(*found == keys[0]->public_key());
  CHECK(fake().logins == 0);
  fake().tokens[0].keys[0].public_hidden = true;
  CHECK(pkcs11_public_key({uri()}).ok());
  CHECK(fake().logins == 1);
  CHECK_THAT(pkcs11_public_key({uri("token=gateway;object=identity", false)}).error().message,
             Catch::Contains("no public key"));
  CHECK(fake().finalised == fake().initialised);
}

TEST_CASE_METHOD(Fixture, "pkcs11: keys are listed, and made only where there is none") {
  fake().tokens.push_back({"other", "22"});
  fake().tokens[1].keys.push_back(key("spare", "\x09", 2));
  auto listed = pkcs11_keys({uri("", false)});
  if (!listed) FAIL(listed.error().message);
  REQUIRE(listed->size() == 2);
  CHECK((*listed)[0].label == "identity");
  CHECK((*listed)[0].key == keys[0]->public_key());
  CHECK_FALSE((*listed)[0].is_private);
  CHECK((*listed)[1].token.label == "other");
  CHECK(fake().logins == 0);

  listed = pkcs11_keys({uri("token=gateway")});
  REQUIRE(listed.ok());
  REQUIRE(listed->size() == 1);
  CHECK((*listed)[0].is_private);
  // A pin is never shown to more than one token.
  CHECK_THAT(pkcs11_keys({uri("")}).error().message, Catch::Contains("several tokens fit"));

  fake().oid_only = GENERATE(false, true);
  for (const char* path : {"token=gateway;object=identity", "token=gateway;object=new;id=%01"})
    CHECK_THAT(pkcs11_generate({uri(path)}).error().message, Catch::Contains("is there already"));
  const auto made = pkcs11_generate({uri("token=gateway;object=new")});
  if (!made) FAIL(made.error().message);
  CHECK(made->label == "new");
  CHECK(made->id.size() == 8);
  CHECK(fake().tokens[0].keys.size() == 2);
  CHECK_THAT(pkcs11_generate({uri("token=gateway;object=new")}).error().message, Catch::Contains("is there already"));
  CHECK_THAT(pkcs11_generate({uri("token=gateway")}).error().message, Catch::Contains("add object=LABEL"));
}
