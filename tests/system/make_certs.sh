#!/bin/sh
# make_certs.sh DIR [URI]: a small PKI for demonstration and tests, made with openssl. ECDSA P-256, ten years.
#
#   DIR/ca.pem ca.key                who may be trusted; keep ca.key away from gateways and collectors
#   DIR/collector.pem collector.key  SAN DNS:localhost, IP:127.0.0.1
#   DIR/gateway.pem gateway.key      SAN URI:<URI>, by default sealring:gw-demo; a bare name gets "sealring:" in front
#
# What is there already and still right is left alone. More gateways: call it again with another URI after moving
# gateway.pem and gateway.key away.
set -eu
umask 077

[ $# -ge 1 ] && [ $# -le 2 ] || { echo "usage: make_certs.sh DIR [URI]" >&2; exit 2; }
dir=$1
uri=${2:-sealring:gw-demo}
case $uri in *:*) ;; *) uri=sealring:$uri ;; esac
case $uri in
  *[!A-Za-z0-9:._/~-]*) echo "make_certs.sh: URI '$uri' has a character that is not allowed" >&2; exit 2 ;;
esac
days=3650

mkdir -p "$dir"
work=$(mktemp -d "$dir/.make_certs.XXXXXX")
trap 'rm -rf "$work"' EXIT

quietly() { "$@" 2>"$work/errors" || { cat "$work/errors" >&2; exit 1; }; }

new_key() { quietly openssl ecparam -name prime256v1 -genkey -noout -out "$work/$1.key"; }

# The key first: whoever sees the certificate finds its key.
install_pair() {
  chmod 0600 "$work/$1.key"
  chmod 0644 "$work/$1.pem"
  mv "$work/$1.key" "$dir/$1.key"
  mv "$work/$1.pem" "$dir/$1.pem"
}

make_ca() {
  new_key ca
  quietly openssl req -x509 -new -sha256 -key "$work/ca.key" -days $days -subj "/CN=sealring demo CA" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" -out "$work/ca.pem"
  install_pair ca
}

# make_leaf NAME SUBJECT USAGE SAN
make_leaf() {
  new_key "$1"
  quietly openssl req -new -sha256 -key "$work/$1.key" -subj "/CN=$2" -out "$work/$1.csr"
  cat >"$work/$1.ext" <<EOF
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=$3
subjectAltName=$4
EOF
  quietly openssl x509 -req -sha256 -in "$work/$1.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -days $days \
    -set_serial "0x$(openssl rand -hex 15)" -extfile "$work/$1.ext" -out "$work/$1.pem"
  install_pair "$1"
}

# good_leaf NAME SAN-AS-OPENSSL-PRINTS-IT: signed by this CA, its key beside it, the right name in it.
good_leaf() {
  [ -f "$dir/$1.key" ] && [ -f "$dir/$1.pem" ] &&
    openssl verify -CAfile "$dir/ca.pem" "$dir/$1.pem" >"$work/errors" 2>&1 &&
    [ "$(openssl x509 -in "$dir/$1.pem" -noout -pubkey)" = "$(openssl pkey -in "$dir/$1.key" -pubout)" ] &&
    openssl x509 -in "$dir/$1.pem" -noout -ext subjectAltName | sed 's/^ *//' | grep -qxF "$2"
}

[ -f "$dir/ca.key" ] && [ -f "$dir/ca.pem" ] || make_ca
good_leaf collector "DNS:localhost, IP Address:127.0.0.1" ||
  make_leaf collector "sealring demo collector" serverAuth "DNS:localhost,IP:127.0.0.1"
good_leaf gateway "URI:$uri" || make_leaf gateway "sealring demo gateway" clientAuth "URI:$uri"
chmod 0600 "$dir/ca.key" "$dir/collector.key" "$dir/gateway.key"
