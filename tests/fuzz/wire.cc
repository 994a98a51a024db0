// What a gateway, witnesses, mirrors and readers of tiles say to each other: the bodies of C2SP tlog-witness and
// tlog-mirror, tile paths, gzip, URLs.
#include <algorithm>

#include "collector/tile_path.h"
#include "crypto/tlog_wire.h"
#include "drivers/gzip.h"
#include "drivers/http.h"
#include "storage/skip_wire.h"
#include "tests/fuzz/fuzz.h"

namespace sealring::fuzz {
namespace {

// tlog-tiles: groups of three digits, all but the last with an x.
std::string tile_name(const TilePath& path) {
  std::string digits = std::to_string(path.index);
  digits.insert(0, (3 - digits.size() % 3) % 3, '0');
  std::string name = path.level == TilePath::kEntries ? "tile/entries" : "tile/" + std::to_string(path.level);
  for (std::size_t at = 0; at < digits.size(); at += 3)
    name += (at + 3 < digits.size() ? "/x" : "/") + digits.substr(at, 3);
  return path.width == kBundleEntries ? name : name + ".p/" + std::to_string(path.width);
}

// What the reader's own framing took from the body, written again.
Bytes written(const AddEntries& header, const std::vector<EntryPackage>& packages) {
  Bytes out = encode_add_entries(header);
  for (const EntryPackage& package : packages) {
    Bytes entries;
    for (const ByteView entry : package.entries) {
      put_u16(entries, static_cast<std::uint16_t>(entry.size()));
      entries += entry;
    }
    append_package(out, entries, package.proof);
  }
  return out;
}

}  // namespace

FUZZ_TARGET(add_checkpoint, 8u << 10) {
  const auto request = decode_add_checkpoint(input);
  if (ok_or_checked(request)) FUZZ_CHECK(encode_add_checkpoint(*request) == input);
}

// The short answers: a size, and where to go on.
FUZZ_TARGET(mirror_answer, 512) {
  if (const auto size = decode_size(input); ok_or_checked(size)) FUZZ_CHECK(encode_size(*size) == input);
  if (const auto info = decode_mirror_info(input); ok_or_checked(info)) FUZZ_CHECK(encode_mirror_info(*info) == input);
}

FUZZ_TARGET(add_entries, 16u << 10) {
  auto reader = AddEntriesReader::open(input);
  if (!ok_or_checked(reader)) return;
  const AddEntries& header = reader->header();
  std::vector<EntryPackage> packages;
  for (;;) {
    auto next = reader->next();
    if (!ok_or_checked(next)) return;
    if (!*next) break;
    const PackageRange& range = (*next)->range;
    FUZZ_CHECK(range.aligned <= range.start && range.start < range.end && range.end <= header.upload_end);
    FUZZ_CHECK(range.aligned % kWirePackageEntries == 0 && range.end - range.aligned <= kWirePackageEntries);
    FUZZ_CHECK(range.start == (packages.empty() ? header.upload_start : packages.back().range.end));
    FUZZ_CHECK((*next)->entries.size() == range.end - range.start);
    packages.push_back(std::move(**next));
  }
  FUZZ_CHECK(written(header, packages) + Bytes(reader->rest()) == input);
  FUZZ_CHECK(reader->complete() || reader->rest().empty());
  if (reader->complete() && !packages.empty()) FUZZ_CHECK(packages.back().range.end == header.upload_end);
}

FUZZ_TARGET(skip, 16u << 10) {
  const auto request = decode_skip(input);
  if (!ok_or_checked(request)) return;
  FUZZ_CHECK(request->start < request->end && request->bundles.size() == (request->end - request->start) / 256);
  FUZZ_CHECK(encode_skip(*request) == input);
}

FUZZ_TARGET(tile_path, 256) {
  if (const auto path = parse_tile_path(input)) FUZZ_CHECK_SHOW(tile_name(*path) == input, tile_name(*path));
}

// The first byte: how much may come out.
FUZZ_TARGET(gzip, 8u << 10, 1u << 20) {
  Pieces pieces(input);
  const std::size_t most = std::size_t{1} << (pieces.u8() % 18);
  Bytes out;
  const Gunzip state = gunzip(pieces.rest(), most, out);
  FUZZ_CHECK(out.size() <= most);
  Bytes twice, more;
  if (state == Gunzip::done && gunzip(Bytes(pieces.rest()) + Bytes(pieces.rest()), 2 * most, twice) == Gunzip::done)
    FUZZ_CHECK(twice == out + out);  // members one behind the other
  const auto packed = gzip(pieces.rest(), GzipLevel::fast);
  FUZZ_CHECK(packed.ok() && gunzip(*packed, pieces.rest().size(), more) == Gunzip::done && more == pieces.rest());
}

FUZZ_TARGET(http_words, 1024) {
  accepts_gzip(input);
  FUZZ_CHECK(accepts_gzip(Bytes("gzip, ").append(input)));
  const auto url = parse_https_url(input);
  if (!ok_or_checked(url)) return;
  const auto port = from_decimal(url->port);
  FUZZ_CHECK(port.ok() && *port >= 1 && *port <= 65535 && !url->host.empty());
  FUZZ_CHECK(url->path.empty() || (url->path.front() == '/' && url->path.back() != '/'));
  const bool v6 = url->host.find(':') != std::string::npos;
  const auto again =
      parse_https_url("https://" + (v6 ? "[" + url->host + "]" : url->host) + ":" + url->port + url->path);
  FUZZ_CHECK(again.ok() && again->host == url->host && again->port == url->port && again->path == url->path);
}

}  // namespace sealring::fuzz
