// What a node's allocator keeps of memory that is free again.
#include "apps/memory.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "tests/support/resident.hpp"

namespace cairn::apps {
namespace {

using test::resident_bytes;

TEST(Memory, WhatAnotherThreadFreedGoesBack) {
#ifndef CAIRN_MIMALLOC
  GTEST_SKIP() << "a sanitizer has an allocator of its own";
#endif
  constexpr std::size_t mib = 1u << 20;
  set_up_memory();
  const auto before = resident_bytes();
  std::uint64_t full = 0;
  std::thread([&] {
    std::vector<std::unique_ptr<char[]>> pieces;
    for (int i = 0; i < 4'096; ++i) {
      pieces.push_back(std::make_unique_for_overwrite<char[]>(mib / 16));
      std::memset(pieces.back().get(), 1, mib / 16);
    }
    full = resident_bytes();
  }).join();
  EXPECT_GT(full, before + 200 * mib);
  return_free_memory();
  EXPECT_LT(resident_bytes(), before + 100 * mib);
}

}  // namespace
}  // namespace cairn::apps
