// Where the numbers of a device's commits come from. A (client id, sequence) is never given out twice,
// also when the process or the machine dies: that is what lets the server recognise a retry. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "protocol/error.hpp"
#include "protocol/ids.hpp"

namespace cairn::client {

/// The number of a commit, and the one up to which no user of the client id waits for an answer.
struct RequestTicket {
  std::uint64_t sequence = 0;
  std::uint64_t acknowledged = 0;
};

class RequestIds {
 public:
  virtual ~RequestIds() = default;
  virtual ClientId client() const = 0;
  /// A sequence that was never given out before and never will be again. Errors: io.
  virtual Result<RequestTicket> begin() = 0;
  /// The answer to `sequence` has come, or nobody waits for it any more.
  virtual void end(std::uint64_t sequence) = 0;
};

/// Numbers that live as long as the object. For a device whose id is used once, as in tests.
std::unique_ptr<RequestIds> make_request_ids(ClientId client);

/// Numbers kept in a file of `folder`, which is made if it is missing (mode 0700). Up to 64 processes
/// may use those of one device at a time. Errors: io, busy (too many processes), corrupt.
Result<std::unique_ptr<RequestIds>> open_request_ids(const std::string& folder, ClientId client);

/// A client id for a new device.
ClientId random_client_id();

}  // namespace cairn::client
