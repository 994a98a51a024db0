#include "tests/torture/variants.h"

#include <algorithm>

namespace sealring::torture {
namespace {

constexpr std::size_t kFewChanges = 5;  // all their selections are tried

bool tearable(const Change& change) { return change.kind == Change::Kind::write && change.length > kSector; }

std::uint64_t pages_mask(std::mt19937_64& random) {  // of sectors: eight to a page
  std::uint64_t mask = 0;
  for (int page = 0; page < 8; ++page)
    if (random() % 2 != 0) mask |= std::uint64_t{0xff} << (8 * page);
  return mask;
}

Choice tear(const Change& change, std::mt19937_64& random) {
  const std::uint64_t sectors = change.length / kSector + 1;
  switch (random() % 5) {
    case 0:
      return {Tear::sectors, pages_mask(random)};
    case 1:
      return {Tear::sectors, random()};
    case 2:
      return {Tear::zeros, 0};
    default:
      return {Tear::prefix, random() % sectors * kSector};
  }
}

}  // namespace

std::vector<Choices> plain_variants(const Disk& disk, std::size_t limit) {
  const std::size_t n = disk.waiting().size();
  std::vector<Choices> out;
  const auto add = [&](Choices choices) {
    if (out.size() < limit) out.push_back(std::move(choices));
  };
  const Choices none(n), all(n, {Tear::whole, 0});
  add(none);
  if (n == 0) return out;
  add(all);
  if (n <= kFewChanges) {
    for (std::size_t bits = 1; bits + 1 < (std::size_t{1} << n); ++bits) {
      Choices some = none;
      for (std::size_t i = 0; i < n; ++i)
        if ((bits >> i & 1) != 0) some[i] = {Tear::whole, 0};
      add(some);
    }
  } else {
    for (std::size_t i = 0; i < n; ++i) {
      Choices prefix = none, without = all, alone = none;
      std::fill_n(prefix.begin(), i + 1, Choice{Tear::whole, 0});
      without[i] = {};
      alone[i] = {Tear::whole, 0};
      add(std::move(prefix));
      add(std::move(without));
      add(std::move(alone));
    }
  }
  std::mt19937_64 random(n);
  for (std::size_t i = n; i-- > 0;) {
    if (!tearable(disk.waiting()[i])) continue;
    for (const Choices& rest : {all, none}) {
      Choices torn = rest;
      torn[i] = {Tear::prefix, kSector};
      add(torn);
      torn[i] = {Tear::prefix, (disk.waiting()[i].length - 1) / kSector * kSector};
      add(torn);
      torn[i] = {Tear::sectors, ~std::uint64_t{1}};
      add(torn);
      torn[i] = tear(disk.waiting()[i], random);
      add(torn);
    }
  }
  return out;
}

Choices random_variant(const Disk& disk, std::mt19937_64& random) {
  Choices out(disk.waiting().size());
  const std::uint64_t bias = random() % 3;  // mostly kept, mostly lost, or either
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::uint64_t die = random() % 8;
    if (tearable(disk.waiting()[i]) && die == 0)
      out[i] = tear(disk.waiting()[i], random);
    else
      out[i].tear = (bias == 0 ? die < 7 : bias == 1 ? die < 2 : die < 4) ? Tear::whole : Tear::none;
  }
  return out;
}

Choices byte_variant(const Disk& disk, std::mt19937_64& random) {
  Choices out = random_variant(disk, random);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Change& change = disk.waiting()[i];
    if (change.kind == Change::Kind::write && disk.name_of(change.ino) == "store/journal")
      out[i] = {Tear::bytes, random() % (change.length + 1)};
  }
  return out;
}

bool has_meta_write(const Disk& disk) {
  if (disk.waiting().empty()) return false;
  const Change& last = disk.waiting().back();
  return last.kind == Change::Kind::write && last.length < kSector && last.offset < 2 * kPage &&
         disk.name_of(last.ino) == "store/ring.lmdb";
}

Choices word_variant(const Disk& disk, std::mt19937_64& random) {
  Choices out = random_variant(disk, random);
  // What was there before: words that are the same in both tear nothing.
  const Change& meta = disk.waiting().back();
  const ByteView before = disk.inodes().at(meta.ino).data.bytes().substr(meta.offset, meta.bytes.size());
  std::uint64_t mask = 0, differing = 0, number = 0;
  for (std::size_t at = 0; at < meta.bytes.size(); at += kWord, ++number) {
    if (meta.bytes.substr(at, kWord) == before.substr(at, kWord)) continue;
    differing |= std::uint64_t{1} << number;
  }
  do mask = random() & differing;
  while ((mask == 0 || mask == differing) && (differing & (differing - 1)) != 0);
  out.back() = {Tear::words, mask};
  return out;
}

}  // namespace sealring::torture
