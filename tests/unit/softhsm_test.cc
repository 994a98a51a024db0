// The same with a real library, Debian's SoftHSM, and keys that another program made.
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

#include "drivers/pkcs11_signer.h"
#include "drivers/pkcs11_token.h"
#include "tests/unit/temp_dir.h"

using namespace sealring;

// SoftHSM leaks what libcrypto allocates for it at each search for a key; no code of ours calls libcrypto.
extern "C" const char* __lsan_default_suppressions() { return "leak:libcrypto.so\n"; }

namespace {

const std::string kModule = "/usr/lib/softhsm/libsofthsm2.so";

struct SoftHsm {
  TempDir dir;

  SoftHsm() {
    std::filesystem::create_directory(dir.file("tokens"));
    std::ofstream(dir.file("softhsm.conf"))
        << "directories.tokendir = " << dir.file("tokens") << "\nobjectstore.backend = file\nlog.level = ERROR\n";
    setenv("SOFTHSM2_CONF", dir.file("softhsm.conf").c_str(), 1);
    std::ofstream(dir.file("pin")) << "1234\n";
    ::chmod(dir.file("pin").c_str(), 0600);
    run("softhsm2-util --init-token --free --label gateway --pin 1234 --so-pin 12345678");
  }
  void run(const std::string& command) const {
    if (std::system((command + " >" + dir.file("output") + " 2>&1").c_str()) == 0) return;
    FAIL(command << "\n" << std::ifstream(dir.file("output")).rdbuf());
  }
  Pkcs11Uri uri(const std::string& path) const {
    auto parsed =
        Pkcs11Uri::parse("pkcs11:" + path + "?module-path=" + kModule + "&pin-source=file:" + dir.file("pin"));
    if (!parsed) FAIL(parsed.error().message);
    return *parsed;
  }
  std::string sign(Pkcs11Signer& signer) const {
    const auto made = signer.sign("message");
    if (!made) return made.error().message;
    return ed25519_verify(signer.public_key(), "message", *made) ? "signed" : "a signature that does not verify";
  }
};

}  // namespace

TEST_CASE_METHOD(SoftHsm, "softhsm: a key that we made signs") {
  const auto made = pkcs11_generate({uri("token=gateway;object=identity")});
  if (!made) FAIL(made.error().message);
  CHECK_THAT(pkcs11_generate({uri("token=gateway;object=identity")}).error().message,
             Catch::Contains("is there already"));
  const auto found = pkcs11_public_key({uri("token=gateway;object=identity")});
  REQUIRE(found.ok());
  CHECK(made->key == *found);
  const auto listed = pkcs11_keys({uri("token=gateway")});
  REQUIRE(listed.ok());
  REQUIRE(listed->size() == 1);
  CHECK((*listed)[0].is_private);
  CHECK((*listed)[0].id == made->id);
  Pkcs11Signer signer({uri("token=gateway;object=identity"), *found});
  CHECK(sign(signer) == "signed");
  CHECK(sign(signer) == "signed");
}

TEST_CASE_METHOD(SoftHsm, "softhsm: a key that pkcs11-tool made signs") {
  run("pkcs11-tool --module " + kModule +
      " --token-label gateway --login --pin 1234 --keypairgen --key-type EC:edwards25519 --label theirs --id 2a");
  for (const char* path : {"token=gateway;object=theirs", "token=gateway;id=%2a"}) {
    const auto found = pkcs11_public_key({uri(path)});
    if (!found) FAIL(found.error().message);
    Pkcs11Signer signer({uri(path), *found});
    CHECK(sign(signer) == "signed");
  }
}

TEST_CASE_METHOD(SoftHsm, "softhsm: tokens go and come back, while the signer lives") {
  const auto made = pkcs11_generate({uri("token=gateway;object=identity")});
  REQUIRE(made.ok());
  Pkcs11Signer signer({uri("token=gateway;object=identity"), *made->key});
  REQUIRE(sign(signer) == "signed");
  std::string from = dir.file("tokens"), words = "C_Initialize answered CKR_GENERAL_ERROR";
  SECTION("with all that the library has") {}
  SECTION("alone") {
    from = std::filesystem::directory_iterator(from)->path().string();
    words = "token \"gateway\" is not there; the library sees no token";
  }
  std::filesystem::rename(from, dir.file("away"));
  for (int i = 0; i < 2; ++i) CHECK_THAT(sign(signer), Catch::Contains(words));
  std::filesystem::rename(dir.file("away"), from);
  CHECK(sign(signer) == "signed");
}

TEST_CASE_METHOD(SoftHsm, "softhsm: a wrong pin") {
  const auto made = pkcs11_generate({uri("token=gateway;object=identity")});
  REQUIRE(made.ok());
  std::ofstream(dir.file("pin")) << "4321\n";
  Pkcs11Signer signer({uri("token=gateway;object=identity"), *made->key});
  CHECK_THAT(sign(signer), Catch::Contains("the pin is wrong"));
  CHECK_THAT(sign(signer), Catch::Contains("not tried again"));
  std::ofstream(dir.file("pin")) << "1234\n";
  CHECK(sign(signer) == "signed");
}
