// Reading a configuration: what is right is taken, and everything that is wrong is named with its line.
#include "cluster/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "cluster/config_keys.hpp"

namespace cairn::cluster {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;

std::string described(const std::vector<ConfigError>& errors) {
  std::string all;
  for (const auto& error : errors) all += describe(error, "f.toml") + "\n";
  return all;
}

/// The only error of `text`; fails the test if there is not exactly one.
ConfigError only_error(std::string_view text) {
  const auto result = parse_config(text);
  EXPECT_EQ(result.errors.size(), 1u) << text << "\n" << described(result.errors);
  return result.errors.empty() ? ConfigError{} : result.errors.front();
}

void expect_same(const Config& a, const Config& b) {
  for (const auto& key : config_keys())
    EXPECT_EQ(value_text(key, a), value_text(key, b)) << key.section << "." << key.name;
}

TEST(Config, EmptyTextMeansTheDefaults) {
  const auto result = parse_config("");
  EXPECT_THAT(result.errors, IsEmpty());
  expect_same(result.config, Config{});
}

TEST(Config, TakesEveryKindOfValue) {
  const auto result = parse_config(R"(
rpc.listen = "127.0.0.1:0"
[node]
name = "n-2"
[accounts]
sign_up = "off"
default_quota = "5GiB"
password_memory = "64KiB"
[metadata]
checkpoint_interval = "1500ms"
trash_retention = "7d"
[blocks]
compact_dead_share = 1
sealers = 4
[log]
format = "json"
level = "warning"
)");
  EXPECT_THAT(result.errors, IsEmpty()) << described(result.errors);
  const auto& c = result.config;
  EXPECT_EQ(c.rpc.listen, "127.0.0.1:0");
  EXPECT_EQ(c.node.name, "n-2");
  EXPECT_EQ(c.accounts.sign_up, SignUp::off);
  EXPECT_EQ(c.accounts.default_quota_bytes, std::uint64_t{5} << 30);
  EXPECT_EQ(c.accounts.password_cost.memory_bytes, 65'536u);
  EXPECT_EQ(c.metadata.checkpoint_interval, 1500ms);
  EXPECT_EQ(c.metadata.trash_retention, 168h);
  EXPECT_EQ(c.blocks.compact_dead_share, 1.0);
  EXPECT_EQ(c.blocks.sealers, 4u);
  EXPECT_EQ(c.log.format, LogFormat::json);
  EXPECT_EQ(c.log.level, LogLevel::warning);
}

TEST(Config, ReferenceFileIsWhatTheCodeSays) {
  std::ifstream file(CAIRN_SOURCE_DIR "/configs/reference.toml");
  std::stringstream text;
  text << file.rdbuf();
  ASSERT_FALSE(text.str().empty());
  EXPECT_EQ(text.str(), reference_config());
}

TEST(Config, ReferenceMeansTheDefaults) {
  const auto result = parse_config(reference_config());
  EXPECT_THAT(result.errors, IsEmpty()) << described(result.errors);
  expect_same(result.config, Config{});
}

TEST(Config, EveryDefaultIsInItsRangeAndEveryKeyExplained) {
  for (const auto& key : config_keys()) {
    EXPECT_FALSE(key.meaning.empty()) << key.name;
    const auto text = "[" + std::string(key.section) + "]\n" + std::string(key.name) + " = " + value_text(key, {});
    EXPECT_THAT(parse_config(text).errors, IsEmpty()) << text;
  }
}

TEST(Config, UnknownKeyIsNamedWithItsLineAndTheNearestKnownOne) {
  const auto error = only_error("[rpc]\n\nlitsen = \"127.0.0.1:1\"\n");
  EXPECT_EQ(error.line, 3u);
  EXPECT_EQ(error.key, "rpc.litsen");
  EXPECT_THAT(error.message, HasSubstr("the nearest is rpc.listen"));
  EXPECT_EQ(describe(error, "/etc/cairn.toml"),
            "/etc/cairn.toml:3: rpc.litsen is not a known key; the nearest is rpc.listen");
}

TEST(Config, KeyInTheWrongSectionIsPointedToTheRightOne) {
  EXPECT_THAT(only_error("[node]\nkey_file = \"k\"").message, HasSubstr("blocks.key_file"));
  EXPECT_THAT(only_error("sealers = 3").message, HasSubstr("blocks.sealers"));
}

TEST(Config, UnknownSectionIsOneError) {
  const auto error = only_error("[blokcs]\nsealers = 1\nsegment = \"1GiB\"\n");
  EXPECT_EQ(error.line, 1u);
  EXPECT_THAT(error.message, HasSubstr("[blocks]"));
}

TEST(Config, SectionWrittenAsAKey) {
  const auto error = only_error("rpc = 5");
  EXPECT_EQ(error.key, "rpc");
  EXPECT_THAT(error.message, HasSubstr("[rpc]"));
}

TEST(Config, WrongTypesSayWhatIsWanted) {
  EXPECT_THAT(only_error("rpc.listen = 7420").message, HasSubstr("must be text"));
  EXPECT_THAT(only_error("rpc.insecure = \"yes\"").message, HasSubstr("true or false, not text"));
  EXPECT_THAT(only_error("rpc.threads = 1.5").message, HasSubstr("not a fraction"));
  EXPECT_THAT(only_error("rpc.threads = [1]").message, HasSubstr("not a list"));
  EXPECT_THAT(only_error("[rpc.threads]\nn = 1").message, HasSubstr("not a section"));
  EXPECT_THAT(only_error("blocks.compact_dead_share = \"half\"").message, HasSubstr("a number"));
  EXPECT_THAT(only_error("log.level = true").message, HasSubstr("\"info\""));
  EXPECT_THAT(only_error("metadata.trash_retention = 1979-05-27").message, HasSubstr("not a date"));
}

TEST(Config, SizesAndDurationsNeedTheirUnit) {
  EXPECT_THAT(only_error("metadata.log_segment = 67108864").message, HasSubstr("\"64MiB\""));
  EXPECT_THAT(only_error("metadata.log_segment = \"67108864\"").message, HasSubstr("KiB"));
  EXPECT_THAT(only_error("metadata.log_segment = \"64 MiB\"").message, HasSubstr("KiB"));
  EXPECT_THAT(only_error("metadata.log_segment = \"64MB\"").message, HasSubstr("64MB"));
  EXPECT_THAT(only_error("metadata.tick_interval = 1000").message, HasSubstr("\"30s\""));
  EXPECT_THAT(only_error("metadata.tick_interval = \"-1s\"").message, HasSubstr("ms, s, m, h, d"));
  EXPECT_THAT(only_error("metadata.tick_interval = \"\"").message, HasSubstr("ms, s, m, h, d"));
}

TEST(Config, OutOfRangeShowsTheRangeAndKeepsTheDefault) {
  for (const std::string text : {"rpc.threads = 0", "rpc.threads = 65", "rpc.threads = -1",
                                 "rpc.threads = 9223372036854775807", "metadata.log_segment = \"1MiB\"",
                                 "metadata.log_segment = \"3GiB\"", "metadata.trash_retention = \"3651d\"",
                                 "metadata.trash_retention = \"9223372036854775807ms\"",
                                 "blocks.compact_dead_share = 1.01", "blocks.compact_dead_share = nan",
                                 "log.level = \"loud\"", "accounts.sign_up = \"Off\""}) {
    const auto result = parse_config(text);
    ASSERT_EQ(result.errors.size(), 1u) << text;
    EXPECT_THAT(result.errors[0].message, HasSubstr("but must be")) << text;
    expect_same(result.config, Config{});
  }
  EXPECT_THAT(only_error("rpc.threads = 65").message, HasSubstr("1 to 64"));
}

TEST(Config, NumbersBeyondSixtyFourBitsAreRefused) {
  EXPECT_EQ(parse_config("rpc.threads = 99999999999999999999").errors.size(), 1u);
  EXPECT_EQ(parse_config("accounts.default_quota = \"99999999999999999999B\"").errors.size(), 1u);
  EXPECT_EQ(parse_config("accounts.default_quota = \"18446744073709551615PiB\"").errors.size(), 1u);
  EXPECT_EQ(parse_config("metadata.trash_retention = \"18446744073709551615d\"").errors.size(), 1u);
}

TEST(Config, BadSyntaxNamesItsLine) {
  const auto error = only_error("[node]\nname = \"a\"\nzone = \n");
  EXPECT_EQ(error.line, 3u);
  EXPECT_THAT(error.message, HasSubstr("not valid TOML"));
  EXPECT_EQ(only_error("[node]\nname = \"a\"\nname = \"b\"\n").line, 3u);
  EXPECT_EQ(only_error("[node]\nname = \"\xff\"\n").line, 2u);
  EXPECT_EQ(only_error("[node\n").line, 1u);
}

TEST(Config, HostileTextIsRefusedNotFollowed) {
  EXPECT_EQ(parse_config(std::string(2u << 20, '#')).errors.size(), 1u);
  EXPECT_EQ(parse_config("node.name = " + std::string(100'000, '[')).errors.size(), 1u);
  EXPECT_EQ(parse_config(std::string("node.name = \"a\0b\"", 16)).errors.size(), 1u);
  const auto error = only_error("\"\\u001b[31m\" = 1");
  EXPECT_EQ(error.key.find('\x1b'), std::string::npos) << "control characters reach the terminal";
}

TEST(Config, PlaintextOffLoopbackNeedsTheWordInsecure) {
  for (const std::string listen :
       {"0.0.0.0:7420", "[::]:7420", "192.168.1.5:7420", "files.example.org:7420", "128.0.0.1:1"}) {
    const auto error = only_error("\n[rpc]\nlisten = \"" + listen + "\"");
    EXPECT_EQ(error.line, 3u);
    EXPECT_EQ(error.key, "rpc.listen");
    EXPECT_THAT(error.message, HasSubstr("insecure"));
    EXPECT_THAT(parse_config("[rpc]\ninsecure = true\nlisten = \"" + listen + "\"").errors, IsEmpty());
    EXPECT_THAT(parse_config("[rpc]\ntls_certificate = \"c\"\ntls_key = \"k\"\nlisten = \"" + listen + "\"").errors,
                IsEmpty());
  }
  for (const std::string listen : {"127.0.0.1:7420", "127.8.9.1:0", "[::1]:65535", "localhost:1"})
    EXPECT_THAT(parse_config("rpc.listen = \"" + listen + "\"").errors, IsEmpty()) << listen;
}

TEST(Config, HalfATlsPairIsRefused) {
  const auto certificate = only_error("[rpc]\ntls_certificate = \"c.pem\"");
  EXPECT_EQ(certificate.line, 2u);
  EXPECT_THAT(certificate.message, HasSubstr("needs rpc.tls_key too"));
  const auto key = only_error("[rpc]\nlisten = \"0.0.0.0:1\"\ntls_key = \"k.pem\"");
  EXPECT_EQ(key.line, 3u);
  EXPECT_THAT(key.message, HasSubstr("needs rpc.tls_certificate too"));
}

TEST(Config, BadAddressesSayWhatIsBad) {
  const std::pair<const char*, const char*> cases[] = {
      {"127.0.0.1", "no port"},       {"127.0.0.1:", "port"},          {"127.0.0.1:65536", "65535"},
      {"127.0.0.1:-1", "65535"},      {"127.0.0.1:80x", "65535"},      {":7420", "no address"},
      {"[::1]", "no port"},           {"::1:7420", "brackets"},        {"[::zz]:1", "not an IPv6"},
      {"under_score:1", "host name"}, {"a b:1", "host name"},          {"", "no port"},
  };
  for (const auto& [listen, wanted] : cases)
    EXPECT_THAT(only_error("rpc.listen = \"" + std::string(listen) + "\"").message, HasSubstr(wanted)) << listen;
}

TEST(Config, BackoffMustNotShrink) {
  const auto error = only_error("[supervision]\nbackoff_first = \"10s\"\n");
  EXPECT_EQ(error.line, 2u);
  EXPECT_THAT(error.message, HasSubstr("backoff_most (5s) smaller than supervision.backoff_first (10s)"));
}

TEST(Config, ChangedValuesAreHeldToTheSameRules) {
  Config config;
  EXPECT_THAT(check_config(config), IsEmpty());
  config.rpc.listen = "0.0.0.0:7420";
  ASSERT_EQ(check_config(config).size(), 1u);
  EXPECT_EQ(check_config(config)[0].key, "rpc.listen");
  config.rpc.insecure = true;
  EXPECT_THAT(check_config(config), IsEmpty());
  config.rpc.listen = "nowhere";
  config.rpc.tls_key = "k.pem";
  EXPECT_EQ(check_config(config).size(), 2u);
}

TEST(Config, AllErrorsAreFoundInOnePassInOrderOfLines) {
  const auto result = parse_config(R"([node]
nmae = "x"
zone = 5
[rpc]
listen = "0.0.0.0:7420"
threads = 0
tls_key = ""
[nope]
[blocks]
segment = "1B"
sealers = 3
)");
  std::vector<std::uint32_t> lines;
  for (const auto& error : result.errors) lines.push_back(error.line);
  EXPECT_EQ(lines, (std::vector<std::uint32_t>{2, 3, 5, 6, 8, 10})) << described(result.errors);
  EXPECT_EQ(result.config.blocks.sealers, 3u) << "what is right is taken";
}

TEST(Config, UnitsReadBackWhatTheyWrite) {
  for (const std::uint64_t n : {0ull, 1ull, 1023ull, 1024ull, 1536ull, 1ull << 20, 3ull << 40, (1ull << 62) + 1})
    EXPECT_EQ(parse_size(size_text(n)), n);
  for (const auto d : {0ms, 1ms, 999ms, 1000ms, 60'000ms, 86'400'000ms, 90'000'000ms})
    EXPECT_EQ(parse_duration(duration_text(d)), d);
  EXPECT_EQ(size_text(64u << 20), "64MiB");
  EXPECT_EQ(duration_text(90min), "90m");
}

}  // namespace
}  // namespace cairn::cluster
