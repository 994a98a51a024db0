// States of a disk as real folders: <place>/work is what a program would find after the crash. One backing file for
// each inode, kept as the durable image; a state changes a few ranges of them, and so does the program that is tried on
// it, and both are put back afterwards.
#pragma once

#include "tests/torture/disk.h"

namespace sealring::torture {

class StateFolder {
 public:
  explicit StateFolder(std::string place);  // which is made, and must not be there
  ~StateFolder();                           // removes it
  std::string work() const { return place_ + "/work"; }
  // Brings the backing files up to what is durable now.
  void follow(Disk& disk);
  // `noise`: seed of what lies in files that were written through a memory map.
  void build(const Disk& disk, const Choices& choices, std::uint64_t noise);
  // `watched`: what the program that ran on it changed.
  void restore(const Disk& disk, const DirtyTable& watched);

 private:
  void open_inode(std::uint64_t ino, const Inode& inode);
  void put_back(const Disk& disk, DirtyRange range);
  void apply(const Change& change, Choice choice);
  void link_folder(const Disk& disk, std::uint64_t ino, const std::string& path);

  const std::string place_;
  std::map<std::uint64_t, int> fds_;                  // ino of the trace -> backing file
  std::map<std::uint64_t, std::uint64_t> real_inos_;  // of the backing file -> of the trace
  std::map<std::uint64_t, std::map<std::string, std::uint64_t>> names_;
  std::map<std::uint64_t, std::uint32_t> modes_;
  std::vector<DirtyRange> touched_;
};

}  // namespace sealring::torture
