// Certificates for the tests of TLS, made once per process by the openssl command. ECDSA P-256.
//
//     ca, other-ca          two authorities
//     server                localhost, 127.0.0.1, ::1
//     server-wrong-name     other.example, 192.0.2.1
//     server-expired, server-future, server-other-ca
//     client                URI sealring:gw-1, URI urn:two, DNS gw.example; subject CN=gateway one
//     client-bare           no alternative name and no subject
//     client-expired, client-other-ca
//     client-odd            a URI with a NUL in it
//     client-for-servers    key usage: servers only
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>

#include "drivers/file.h"
#include "drivers/http.h"
#include "tests/unit/temp_dir.h"

namespace sealring {

class TestPki {
 public:
  static const TestPki& get() {
    static TestPki pki;
    return pki;
  }
  TlsIdentity identity(const std::string& name, const std::string& ca = "ca") const {
    return {file(ca + ".pem"), file(name + ".pem"), file(name + ".key")};
  }
  std::string file(const std::string& name) const { return dir_.file(name); }

 private:
  TestPki() {
    REQUIRE(replace_file(dir_.file("make.sh"), kScript, 0700).ok());
    std::string command = "cd " + dir_.path() + " && sh ./make.sh >make.out 2>&1";
    if (std::system(command.c_str()) != 0) FAIL("openssl: " + *read_file(dir_.file("make.out")));
  }

  static constexpr char kScript[] = R"(set -eu
umask 077
cat >ca.cnf <<EOF
[ca]
default_ca = own
[own]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = optional
[req]
distinguished_name = dn
prompt = no
[dn]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
EOF
: >index
echo 1000 >serial
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
authority() {
  key "$1"
  openssl req -x509 -new -key "$1.key" -days 30 -subj "/CN=$1" -config ca.cnf -extensions authority -out "$1.pem"
}
# leaf NAME CA SUBJECT USAGE SAN [START END]
leaf() {
  key "$1"
  openssl req -new -key "$1.key" -subj "$3" -config ca.cnf -out "$1.csr"
  { echo "extendedKeyUsage=$4"; [ -z "$5" ] || echo "subjectAltName=$5"; } >"$1.ext"
  dates="-days 30"
  [ $# -lt 7 ] || dates="-startdate $6 -enddate $7"
  openssl ca -batch -notext -config ca.cnf -cert "$2.pem" -keyfile "$2.key" -in "$1.csr" -extfile "$1.ext" $dates \
    -out "$1.pem"
}
authority ca
authority other-ca
here=DNS:localhost,IP:127.0.0.1,IP:::1
leaf server ca /CN=server serverAuth $here
leaf server-wrong-name ca /CN=other serverAuth DNS:other.example,IP:192.0.2.1
leaf server-expired ca /CN=server serverAuth $here 20200101000000Z 20210101000000Z
leaf server-future ca /CN=server serverAuth $here 20980101000000Z 20990101000000Z
leaf server-other-ca other-ca /CN=server serverAuth $here
leaf client ca "/CN=gateway one" clientAuth URI:sealring:gw-1,URI:urn:two,DNS:gw.example
leaf client-bare ca / clientAuth ""
leaf client-expired ca /CN=gateway clientAuth URI:sealring:gw-1 20200101000000Z 20210101000000Z
leaf client-other-ca other-ca /CN=gateway clientAuth URI:sealring:gw-1
leaf client-for-servers ca /CN=gateway serverAuth URI:sealring:gw-1
# SEQUENCE { [6] "sealring:gw-1" NUL "x", [6] "urn:fine" }
leaf client-odd ca /CN=gateway clientAuth DER:301b860f7365616c72696e673a67772d310078860875726e3a66696e65
)";

  TempDir dir_;
};

}  // namespace sealring
