// The cluster's authority and what it issues: files, modes, refusals. What the certificates are good for is
// checked by OpenSSL's own command, and by the links' tests.
#include "protocol/certificates.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "protocol/bytes.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn {
namespace {

using testing::AllOf;
using testing::HasSubstr;

unsigned mode_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

Bytes content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string openssl(const std::string& arguments) {
  std::FILE* pipe = popen(("openssl " + arguments + " 2>&1").c_str(), "r");
  std::string out;
  std::array<char, 4096> buffer;
  while (const auto count = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), count);
  pclose(pipe);
  return out;
}

TEST(Certificates, AnAuthorityIssuesToNodes) {
  const test::TempDir folder;
  const auto authority = make_cluster_authority(folder / "new/ca");
  ASSERT_TRUE(authority) << authority.error().message;
  EXPECT_EQ(authority->cluster_id.size(), 32u);
  EXPECT_EQ(authority->cluster_id.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(authority->files.certificate, folder / "new/ca/ca.pem");
  EXPECT_EQ(mode_of(authority->files.certificate), 0644u);
  EXPECT_EQ(mode_of(authority->files.key), 0600u);
  const auto id = cluster_id_of(authority->files.certificate);
  ASSERT_TRUE(id) << id.error().message;
  EXPECT_EQ(*id, authority->cluster_id);
  const auto node = issue_node_certificate("node-1", folder / "new/ca", folder / "out");
  ASSERT_TRUE(node) << node.error().message;
  EXPECT_EQ(node->certificate, folder / "out/node-1.pem");
  EXPECT_EQ(node->key, folder / "out/node-1.key");
  EXPECT_EQ(mode_of(node->certificate), 0644u);
  EXPECT_EQ(mode_of(node->key), 0600u);
}

TEST(Certificates, OpenSslAgrees) {
  if (openssl("version").find("OpenSSL") == std::string::npos) GTEST_SKIP() << "no openssl command";
  const test::TempDir folder;
  const auto authority = make_cluster_authority(folder.path());
  ASSERT_TRUE(authority);
  ASSERT_TRUE(issue_node_certificate("n", folder.path(), folder.path()));
  for (const std::string purpose : {"sslserver", "sslclient"})
    EXPECT_THAT(openssl("verify -x509_strict -CAfile " + (folder / "ca.pem") + " -purpose " + purpose + " " +
                        (folder / "n.pem")),
                HasSubstr("n.pem: OK"));
  EXPECT_THAT(openssl("x509 -noout -text -in " + (folder / "ca.pem")),
              AllOf(HasSubstr("CA:TRUE"), HasSubstr("O = " + authority->cluster_id), HasSubstr("prime256v1")));
  EXPECT_THAT(openssl("x509 -noout -text -in " + (folder / "n.pem")),
              AllOf(HasSubstr("CN = n"), HasSubstr("DNS:n"), HasSubstr("CA:FALSE"), HasSubstr("TLS Web Server"),
                    HasSubstr("TLS Web Client")));
  constexpr auto nine_years = "283824000";
  for (const std::string file : {"ca.pem", "n.pem"})
    EXPECT_THAT(openssl(std::string("x509 -noout -checkend ") + nine_years + " -in " + (folder / file)),
                HasSubstr("will not expire"));
}

TEST(Certificates, NothingIsOverwritten) {
  const test::TempDir folder;
  ASSERT_TRUE(make_cluster_authority(folder.path()));
  const auto before = content_of(folder / "ca.key");
  const auto again = make_cluster_authority(folder.path());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::already_exists);
  EXPECT_THAT(again.error().message, HasSubstr(folder / "ca.pem"));
  EXPECT_EQ(content_of(folder / "ca.key"), before);
  std::ofstream(folder / "n.key") << "precious";
  const auto node = issue_node_certificate("n", folder.path(), folder.path());
  ASSERT_FALSE(node);
  EXPECT_EQ(node.error().code, Errc::already_exists);
  EXPECT_THAT(node.error().message, HasSubstr("n.key"));
  EXPECT_EQ(content_of(folder / "n.key"), "precious");
  EXPECT_FALSE(std::filesystem::exists(folder / "n.pem"));
}

TEST(Certificates, RefusalsNameTheFile) {
  const test::TempDir folder;
  const auto none = issue_node_certificate("n", folder / "none", folder.path());
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::not_found);
  EXPECT_THAT(none.error().message, HasSubstr("none/ca.pem"));
  ASSERT_TRUE(make_cluster_authority(folder / "one"));
  ASSERT_TRUE(make_cluster_authority(folder / "two"));
  std::filesystem::copy_file(folder / "two/ca.key", folder / "one/ca.key",
                             std::filesystem::copy_options::overwrite_existing);
  const auto mixed = issue_node_certificate("n", folder / "one", folder.path());
  ASSERT_FALSE(mixed);
  EXPECT_EQ(mixed.error().code, Errc::corrupt);
  EXPECT_THAT(mixed.error().message, HasSubstr("one/ca.key is not the key"));
  std::ofstream(folder / "two/ca.key", std::ios::trunc) << "nonsense";
  EXPECT_EQ(issue_node_certificate("n", folder / "two", folder.path()).error().code, Errc::corrupt);
  std::ofstream(folder / "file") << "";
  EXPECT_EQ(make_cluster_authority(folder / "file/ca").error().code, Errc::io);
  EXPECT_EQ(cluster_id_of(folder / "file").error().code, Errc::corrupt);
}

TEST(Certificates, NodeNames) {
  const std::vector<std::string> names = {"a", "node-1", "n.1.example", std::string(63, 'x'), "7"};
  for (const auto& good : names)
    EXPECT_TRUE(check_node_name(good)) << good;
  const std::vector<std::string> others = {"", std::string(64, 'x'), "A", "-a", "a.", "a/b", "a b", {"a\0b", 3}, ".."};
  for (const auto& bad : others)
    EXPECT_EQ(check_node_name(bad).error().code, Errc::invalid_name) << bad;
  const test::TempDir folder;
  ASSERT_TRUE(make_cluster_authority(folder.path()));
  for (const std::string bad : {"../n", "ca"})
    EXPECT_EQ(issue_node_certificate(bad, folder.path(), folder.path()).error().code, Errc::invalid_name);
}

}  // namespace
}  // namespace cairn
