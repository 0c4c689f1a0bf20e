// A directory of its own for one test, removed with all it holds when the object goes.
#pragma once

#include <string>

namespace cairn::test {

class TempDir {
 public:
  /// Under `parent`, or where temporary files belong.
  explicit TempDir(const std::string& parent = "");
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace cairn::test
