// Golden bytes of every form, and a Reader that survives whatever it is fed.
#include "protocol/codec.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

namespace cairn {
namespace {

using namespace std::string_view_literals;

constexpr std::uint64_t interesting[] = {0,      1,          127,        128,         255,
                                         256,    16'383,     16'384,     65'535,      65'536,
                                         1u << 31, 0xffffffffu, 1ull << 32, 1ull << 63, ~0ull};

TEST(Codec, GoldenBytes) {
  Writer w;
  w.u8(0xab).u16(0x1234).u32(0x12345678).u64(0x0102030405060708);
  EXPECT_EQ(w.view(), "\xab\x12\x34\x12\x34\x56\x78\x01\x02\x03\x04\x05\x06\x07\x08"sv);
  EXPECT_EQ(Writer().varint(0).view(), "\x00"sv);
  EXPECT_EQ(Writer().varint(300).view(), "\xac\x02"sv);
  EXPECT_EQ(Writer().varint(~0ull).view(), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv);
  EXPECT_EQ(Writer().svarint(-1).view(), "\x01"sv);
  EXPECT_EQ(Writer().svarint(1).view(), "\x02"sv);
  EXPECT_EQ(Writer().svarint(std::numeric_limits<std::int64_t>::min()).view(),
            "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv);
  EXPECT_EQ(Writer().ordered(0).view(), "\x00"sv);
  EXPECT_EQ(Writer().ordered(255).view(), "\x01\xff"sv);
  EXPECT_EQ(Writer().ordered(256).view(), "\x02\x01\x00"sv);
  EXPECT_EQ(Writer().ordered(~0ull).view(), "\x08\xff\xff\xff\xff\xff\xff\xff\xff"sv);
  EXPECT_EQ(Writer().bytes("abc").raw("de").view(), "\x03"
                                                    "abcde"sv);
}

TEST(Codec, RoundTrip) {
  for (const auto n : interesting) {
    Writer w;
    const auto s = static_cast<std::int64_t>(n);
    w.u8(static_cast<std::uint8_t>(n)).u16(static_cast<std::uint16_t>(n));
    w.u32(static_cast<std::uint32_t>(n)).u64(n).varint(n).svarint(s).svarint(-(s / 2)).ordered(n);
    w.bytes("x").bytes("").raw("tail");
    Reader r(w.view());
    EXPECT_EQ(r.u8(), static_cast<std::uint8_t>(n));
    EXPECT_EQ(r.u16(), static_cast<std::uint16_t>(n));
    EXPECT_EQ(r.u32(), static_cast<std::uint32_t>(n));
    EXPECT_EQ(r.u64(), n);
    EXPECT_EQ(r.varint(), n);
    EXPECT_EQ(r.svarint(), s);
    EXPECT_EQ(r.svarint(), -(s / 2));
    EXPECT_EQ(r.ordered(), n);
    EXPECT_EQ(r.bytes(), "x");
    EXPECT_EQ(r.bytes(), "");
    EXPECT_FALSE(r.finished());
    EXPECT_EQ(r.rest(), "tail");
    EXPECT_TRUE(r.finished());
  }
}

TEST(Codec, AVarintIsReadAlikeWhateverFollows) {
  std::vector<Bytes> forms;
  for (int bit = 0; bit < 64; ++bit)
    for (const auto n : {std::uint64_t{1} << bit, (std::uint64_t{1} << bit) - 1, (std::uint64_t{1} << bit) + 1,
                         std::uint64_t{0x5a5a5a5a5a5a5a5a} >> bit, ~std::uint64_t{0} >> bit})
      forms.push_back(Writer().varint(n).take());
  for (std::size_t digits = 1; digits <= 12; ++digits)
    for (const char last : {'\x00', '\x01', '\x02', '\x7f', '\x80'})
      for (const char others : {'\x80', '\xff'}) forms.push_back(Bytes(digits - 1, others) + last);
  for (const auto& form : forms) {
    Reader alone(form);
    const auto n = alone.varint();
    if (!alone.failed()) {
      EXPECT_EQ(Writer().varint(n).take(), form.substr(0, form.size() - alone.remaining()));
    }
    for (const auto& more : {Bytes(16, '\0'), Bytes(16, '\xff'), Bytes(16, '\x01')}) {
      // A form without an end goes on into what follows.
      if (alone.failed() && static_cast<std::uint8_t>(form.back()) >= 0x80) continue;
      const auto bytes = form + more;
      Reader reader(bytes);
      EXPECT_EQ(reader.varint(), n);
      EXPECT_EQ(reader.failed(), alone.failed());
      if (!alone.failed()) {
        EXPECT_EQ(reader.remaining(), alone.remaining() + more.size());
      }
    }
  }
}

TEST(Codec, AWriterTakesAnyLengthAndBeginsAnew) {
  Writer w;
  for (std::size_t length = 0; length < 700; length += 3) {
    Bytes expected;
    for (std::size_t i = 0; i < length; ++i) {
      w.u8(static_cast<std::uint8_t>(i));
      expected.push_back(static_cast<char>(i));
    }
    w.varint(~0ull).bytes(expected);
    expected += Bytes(9, '\xff') + "\x01" + Writer().varint(length).take() + Bytes(expected);
    EXPECT_EQ(w.view(), expected);
    auto other = w;
    EXPECT_EQ(w.take(), expected);
    EXPECT_EQ(w.view(), "");
    EXPECT_EQ(other.u8(7).take(), expected + "\x07");
  }
}

TEST(Codec, OrderedKeepsTheOrderOfNumbers) {
  for (const auto a : interesting)
    for (const auto b : interesting)
      EXPECT_EQ(a < b, Writer().ordered(a).view() < Writer().ordered(b).view()) << a << " " << b;
}

TEST(Codec, RefusesWhatTheWriterWouldNotWrite) {
  const auto refuses_varint = [](BytesView in) {
    Reader r(in);
    EXPECT_EQ(r.varint(), 0u);
    return r.failed();
  };
  EXPECT_TRUE(refuses_varint(""));
  EXPECT_TRUE(refuses_varint("\x80"));
  EXPECT_TRUE(refuses_varint("\x80\x00"sv));
  EXPECT_TRUE(refuses_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"));
  EXPECT_TRUE(refuses_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
  for (const auto in : {""sv, "\x09\1\1\1\1\1\1\1\1\1"sv, "\x02\x00\x01"sv, "\x02\x01"sv}) {
    Reader r(in);
    EXPECT_EQ(r.ordered(), 0u);
    EXPECT_TRUE(r.failed());
  }
}

TEST(Codec, StaysFailedAfterTheFirstBadByte) {
  Reader r("\x05"
           "ab");
  EXPECT_EQ(r.bytes(), "");
  EXPECT_TRUE(r.failed());
  EXPECT_EQ(r.u8(), 0);
  EXPECT_EQ(r.rest(), "");
  EXPECT_FALSE(r.finished());
}

TEST(Codec, LengthNearTheTopOfTheRangeIsRefused) {
  for (const auto size : {~0ull, ~0ull - 8, 1ull << 63}) {
    const auto in = Writer().varint(size).raw("abc").take();
    Reader r(in);
    EXPECT_EQ(r.bytes(), "");
    EXPECT_TRUE(r.failed());
  }
}

TEST(Codec, RandomBytesNeverReadOutside) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 20'000; ++round) {
    // On the heap at its exact size, so that a sanitizer sees a read past the end.
    std::vector<char> in(random() % 40);
    std::generate(in.begin(), in.end(), [&] { return static_cast<char>(random()); });
    Reader r(BytesView(in.data(), in.size()));
    std::size_t left = r.remaining();
    while (!r.failed() && r.remaining() > 0) {
      switch (random() % 8) {
        case 0: r.u8(); break;
        case 1: r.u16(); break;
        case 2: r.u32(); break;
        case 3: r.u64(); break;
        case 4: r.varint(); break;
        case 5: r.svarint(); break;
        case 6: r.ordered(); break;
        case 7: r.bytes(); break;
      }
      ASSERT_LT(r.remaining(), left);
      left = r.remaining();
    }
  }
}

}  // namespace
}  // namespace cairn
