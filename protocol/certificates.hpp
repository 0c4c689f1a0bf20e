// The cluster's own certificate authority and the certificates that it issues to nodes: PEM files, made by
// `cairn admin`, read by the links of cairnd. An existing file is never overwritten. Plain functions that
// read and write files; any thread.
#pragma once

#include <string>
#include <string_view>

#include "protocol/error.hpp"

namespace cairn {

/// The rule for a node's name: 1 to max_node_name_bytes of a-z, 0-9, '-' and '.', beginning and ending with
/// a letter or digit. Otherwise invalid_name, whose message shows it.
Result<void> check_node_name(std::string_view name);

/// A certificate with its key, as files.
struct CertificateFiles {
  std::string certificate;  ///< PEM, mode 0644
  std::string key;          ///< PEM, mode 0600, unencrypted
};

struct ClusterAuthority {
  std::string cluster_id;   ///< 128 random bits, 32 hexadecimal digits; the organisation (O) in every certificate
  CertificateFiles files;
};

/// Makes a cluster's authority: `ca.pem` and `ca.key` in `folder`, which is made if it is missing. P-256, valid
/// ten years. Errors: already_exists (a file is there), io; both name the path.
Result<ClusterAuthority> make_cluster_authority(const std::string& folder);

/// Issues a certificate to a node by the authority in `ca_folder`: `NODE.pem` and `NODE.key` in `out_folder`, which
/// is made if it is missing. P-256, valid ten years or as long as the authority, for both ends of a connection.
/// Errors: invalid_name, not_found (no authority there), already_exists, corrupt (no PEM, or the key is another's),
/// io; all name the path.
Result<CertificateFiles> issue_node_certificate(const std::string& node, const std::string& ca_folder,
                                                const std::string& out_folder);

/// The cluster id in the certificate of an authority. Errors: not_found, corrupt; both name the path.
Result<std::string> cluster_id_of(const std::string& ca_certificate);

}  // namespace cairn
