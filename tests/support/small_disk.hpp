// A disk that a test can fill. Main thread of the test.
#pragma once

#include <sys/mount.h>

#include <string>

#include "tests/support/temp_dir.hpp"

namespace cairn::test {

/// A tmpfs of `megabytes`, unmounted with the object. Not mounted() where that is not allowed.
class SmallDisk {
 public:
  explicit SmallDisk(int megabytes)
      : mounted_(::mount("tmpfs", folder_.path().c_str(), "tmpfs", 0,
                         ("size=" + std::to_string(megabytes) + "m").c_str()) == 0) {}
  ~SmallDisk() {
    if (mounted_) ::umount2(folder_.path().c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  const std::string& path() const { return folder_.path(); }

 private:
  TempDir folder_;
  bool mounted_;
};

}  // namespace cairn::test
