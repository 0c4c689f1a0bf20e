// Every rule of names, paths and logins, each with a name that breaks it.
#include "protocol/names.hpp"

#include <gtest/gtest.h>

#include "protocol/limits.hpp"

namespace cairn {
namespace {

using namespace std::string_literals;

std::string repeated(std::string_view piece, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += piece;
  return out;
}

Errc name_error(BytesView name) {
  const auto result = normalize_name(name);
  EXPECT_FALSE(result.ok()) << printable(name);
  return result.ok() ? Errc::internal : result.error().code;
}

TEST(Names, TakesWhatAFileSystemTakes) {
  for (const auto& name : {"a"s, "..."s, " "s, "a b\n"s, ".hidden"s, "~"s, "日本語"s, "\xf0\x9f\x98\x80"s,
                           "a\\b"s, "con:"s, std::string(255, 'x'), repeated("é", 127)}) {
    const auto result = normalize_name(name);
    ASSERT_TRUE(result.ok()) << name;
    EXPECT_EQ(*result, name);
  }
}

TEST(Names, RefusesEachBrokenRule) {
  EXPECT_EQ(name_error(""), Errc::invalid_name);
  EXPECT_EQ(name_error("."), Errc::invalid_name);
  EXPECT_EQ(name_error(".."), Errc::invalid_name);
  EXPECT_EQ(name_error("a/b"), Errc::invalid_name);
  EXPECT_EQ(name_error("/"), Errc::invalid_name);
  EXPECT_EQ(name_error("a\0b"s), Errc::invalid_name);
  EXPECT_EQ(name_error("\0"s), Errc::invalid_name);
  EXPECT_EQ(name_error(std::string(256, 'x')), Errc::invalid_name);
  EXPECT_EQ(name_error("\xff"), Errc::invalid_name);
  EXPECT_EQ(name_error("a\xc3"), Errc::invalid_name);              // cut short
  EXPECT_EQ(name_error("\xc0\xaf"), Errc::invalid_name);           // an overlong '/'
  EXPECT_EQ(name_error("\xed\xa0\x80"), Errc::invalid_name);       // a surrogate
  EXPECT_EQ(name_error("\xf4\x90\x80\x80"), Errc::invalid_name);   // over U+10FFFF
}

TEST(Names, MessageShowsTheNameAndTheRule) {
  const auto result = normalize_name("a\xff\x1b[2J");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().message, "name \"a\\xff\\x1b[2J\" is not valid UTF-8");
}

TEST(Names, EquivalentFormsBecomeOne) {
  const auto composed = normalize_name("caf\xc3\xa9");
  const auto decomposed = normalize_name("cafe\xcc\x81");
  ASSERT_TRUE(composed.ok() && decomposed.ok());
  EXPECT_EQ(*composed, *decomposed);
  EXPECT_EQ(*composed, "caf\xc3\xa9");
}

TEST(Names, LengthCountsBeforeAndAfterNormalising) {
  // U+0958 is excluded from composition: 3 bytes become 6.
  EXPECT_TRUE(normalize_name(repeated("\xe0\xa5\x98", 42)).ok());
  EXPECT_EQ(name_error(repeated("\xe0\xa5\x98", 43)), Errc::invalid_name);
  // 258 bytes that would be 172 in NFC.
  EXPECT_EQ(name_error(repeated("e\xcc\x81", 86)), Errc::invalid_name);
}

TEST(Paths, AreSplit) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(*split_path(""), Names());
  EXPECT_EQ(*split_path("/"), Names());
  EXPECT_EQ(*split_path("a"), Names({"a"}));
  EXPECT_EQ(*split_path("/a/b c/d"), Names({"a", "b c", "d"}));
  EXPECT_EQ(*split_path("x/cafe\xcc\x81"), Names({"x", "caf\xc3\xa9"}));
}

TEST(Paths, RefuseEachBrokenRule) {
  for (const auto& path : {"//"s, "//a"s, "a//b"s, "a/"s, "/a/"s, "."s, ".."s, "a/../b"s, "a/./b"s,
                           "a/\0"s, "a/\xff"s, std::string(256, 'x'),
                           repeated("a/", limits::max_path_depth) + "a",
                           repeated("a/", limits::max_path_bytes)}) {
    const auto result = split_path(path);
    ASSERT_FALSE(result.ok()) << printable(path);
    EXPECT_EQ(result.error().code, Errc::invalid_name);
  }
  EXPECT_TRUE(split_path(repeated("a/", limits::max_path_depth - 1) + "a").ok());
}

TEST(Logins, AreNormalisedOrRefused) {
  EXPECT_EQ(*normalize_login("ana@example.org"), "ana@example.org");
  EXPECT_EQ(*normalize_login("Rene\xcc\x81"), "Ren\xc3\xa9");
  for (const auto& login : {""s, "a/b"s, "a\nb"s, "a\0"s, "\xff"s, "\xc2\x85"s, std::string(129, 'x')}) {
    const auto result = normalize_login(login);
    ASSERT_FALSE(result.ok()) << printable(login);
    EXPECT_EQ(result.error().code, Errc::invalid_argument);
  }
}

TEST(Printable, EscapesAndCuts) {
  EXPECT_EQ(printable("plain é"), "plain é");
  EXPECT_EQ(printable("\x1b[31m\x7f\n"), "\\x1b[31m\\x7f\\x0a");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");            // a C1 control
  EXPECT_EQ(printable("\xe2\x80\xae"), "\\xe2\\x80\\xae");  // right-to-left override
  EXPECT_EQ(printable("\xc3"), "\\xc3");
  EXPECT_EQ(printable("abcdef", 3), "abc…");
  EXPECT_EQ(printable("abé", 3), "ab…");
  EXPECT_EQ(printable("abc", 3), "abc");
}

}  // namespace
}  // namespace cairn
