// Trees of local files for tests: made from a seed, changed, and compared by everything that a drive keeps.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/support/random.hpp"

namespace cairn::test {

void write_file(const std::string& path, std::string_view bytes);
std::string read_file(const std::string& path);
std::string random_text(std::uint64_t seed, std::size_t bytes);
void set_time(const std::string& path, std::int64_t nanos);

/// Makes `path` a folder with every oddity that a drive keeps: names of any UTF-8, links, empty files and folders,
/// modes, times before 1970 and with nanoseconds, sizes around every limit.
void make_odd_tree(const std::string& path);

/// Makes `path` a folder with `files` small files in nested folders and `large` files of several blocks.
void make_random_tree(const std::string& path, std::uint64_t seed, int files, int large);

/// "" if both trees hold the same names, kinds, bytes, modes, times and link targets; else what differs first.
/// Entries called `.cairn` are passed over. The folders `a` and `b` themselves count unless `below` is true.
std::string difference(const std::string& a, const std::string& b, bool below = false);

/// Entries below `path`, itself not counted.
std::size_t count_entries(const std::string& path);

}  // namespace cairn::test
