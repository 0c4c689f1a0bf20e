// The names that conflicts and restored entries get.
#include "cluster/entry_names.hpp"

#include <gtest/gtest.h>

#include "protocol/names.hpp"

namespace cairn::cluster {
namespace {

constexpr Timestamp day{1'790'000'000'000};

TEST(EntryNames, SuffixGoesBeforeTheExtension) {
  EXPECT_EQ(with_suffix("notes.txt", " (restored)"), "notes (restored).txt");
  EXPECT_EQ(with_suffix("a.tar.gz", " 2"), "a.tar 2.gz");
  EXPECT_EQ(with_suffix("plain", " 2"), "plain 2");
  EXPECT_EQ(with_suffix(".bashrc", " 2"), ".bashrc 2");
  EXPECT_EQ(with_suffix("dot.", " 2"), "dot 2.");
  EXPECT_EQ(with_suffix("v1." + std::string(60, 'x'), " 2"), "v1." + std::string(60, 'x') + " 2");
}

TEST(EntryNames, StemIsCutAtACharacter) {
  for (std::size_t lead = 0; lead < 4; ++lead) {
    std::string name(lead, 'a');
    while (name.size() + 3 <= 251) name += "\xe2\x82\xac";
    const auto out = with_suffix(name + ".txt", " (restored)");
    EXPECT_LE(out.size(), 255u);
    EXPECT_GT(out.size(), 250u);
    EXPECT_TRUE(normalize_name(out).ok()) << out;
  }
}

TEST(EntryNames, ConflictNamesTellDeviceAndDay) {
  EXPECT_EQ(conflict_suffix("phone", day), " (conflict, phone, 2026-09-21)");
  EXPECT_EQ(conflict_suffix("phone", Timestamp{0}), " (conflict, phone, 1970-01-01)");
  EXPECT_EQ(conflict_suffix("a/b\n\x7f", day), " (conflict, a-b--, 2026-09-21)");
}

TEST(EntryNames, AnyDeviceGivesAValidName) {
  for (const std::string& device :
       {std::string(), std::string("\xff\xfe"), std::string("a\0b", 3), std::string(128, 'd'),
        std::string("\xcc\x81"), std::string("."), std::string("..")}) {
    const auto suffix = conflict_suffix(device, day);
    EXPECT_LE(suffix.size(), 160u);
    EXPECT_TRUE(normalize_name(with_suffix("f.txt", suffix)).ok()) << suffix;
  }
  std::string wide;
  while (wide.size() < 126) wide += "\xe2\x82\xac";
  EXPECT_TRUE(normalize_name(with_suffix(std::string(255, 'x'), conflict_suffix(wide, day))).ok());
}

}  // namespace
}  // namespace cairn::cluster
