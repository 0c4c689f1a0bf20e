// Hexadecimal text for golden bytes. Spaces in the expected text are for the eye.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "protocol/bytes.hpp"

namespace cairn::cluster {

inline std::string to_hex(BytesView bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += digits[static_cast<unsigned char>(c) >> 4];
    out += digits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

inline void expect_golden(BytesView bytes, std::string expected) {
  expected.erase(std::remove(expected.begin(), expected.end(), ' '), expected.end());
  EXPECT_EQ(to_hex(bytes), expected);
}

}  // namespace cairn::cluster
