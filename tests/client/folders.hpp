// Local folders for tests: made under a unique name, filled, compared and removed.
#pragma once

#include <map>
#include <string>

#include "protocol/bytes.hpp"

namespace cairn::client {

/// A folder of its own under /tmp, removed with all in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// Makes the folders above it, too. The time is made up from the path if `nanos` is 0.
void write_file(const std::string& path, const Bytes& bytes, unsigned mode = 0644, std::int64_t nanos = 0);
void make_folder(const std::string& path, unsigned mode = 0755, std::int64_t nanos = 0);
void make_link(const std::string& path, const std::string& target, std::int64_t nanos = 0);
void set_time(const std::string& path, std::int64_t nanos);
Bytes read_file(const std::string& path);
/// As it is if short, otherwise a digest of it, so that a failing test can be read.
Bytes readable(Bytes bytes);
bool exists(const std::string& path);

/// Path -> kind, mode, time and bytes of all in a folder, so that two can be compared. Without times
/// if told so; without what is the sync's own, and what a killed one left.
std::map<std::string, std::string> contents(const std::string& folder, bool with_times = true);

/// The same bytes for the same seed.
Bytes pseudo_random(std::size_t size, std::uint64_t seed);

}  // namespace cairn::client
