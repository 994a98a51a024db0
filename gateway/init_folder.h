// A folder in which root makes things and that the service's user has, or is to have: nothing that this user left there
// may lead root elsewhere.
//
// From claim() to hand_over() the folder is root's alone, so that what was looked at stays what it was; each step goes
// by descriptors and follows no link below the folder.
#pragma once

#include <string>
#include <vector>

#include "crypto/result.h"

namespace sealring {

class RootsFolder {
 public:
  // Whose files `init` makes: `files` in the folder, and everything in `subfolders` of it. reject: one of them is there
  // and is not plainly root's: then the folder stays whose it was.
  static Result<RootsFolder> claim(const std::string& path, std::vector<std::string> files,
                                   std::vector<std::string> subfolders);
  // reject: others than root may write there.
  static Status check_roots(const std::string& path);
  Status hand_over(unsigned user, unsigned group);

  RootsFolder(RootsFolder&& other) noexcept;
  RootsFolder& operator=(RootsFolder&&) = delete;
  ~RootsFolder();

 private:
  RootsFolder(std::string path, int fd, std::vector<std::string> files, std::vector<std::string> subfolders);
  Status check_files() const;

  std::string path_;
  int fd_;
  std::vector<std::string> files_, subfolders_;
};

}  // namespace sealring
