#include "tests/support/temp_dir.hpp"

#include <stdlib.h>

#include <cstdio>
#include <filesystem>

namespace cairn::test {

TempDir::TempDir(const std::string& parent) {
  const auto base = parent.empty() ? std::filesystem::temp_directory_path().string() : parent;
  path_ = base + "/cairn-test-XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) {
    std::perror(("mkdtemp " + path_).c_str());
    std::abort();
  }
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace cairn::test
