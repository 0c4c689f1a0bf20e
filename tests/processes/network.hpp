// A network of its own for a test's processes: a namespace for each host, all on one switch, any of which can be
// unplugged. Nothing of it has a name outside of this process, so that it ends with it, however that ends, and two
// runs never meet. Main thread; run_inside() any.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "protocol/error.hpp"

namespace cairn::test {

class Network {
 public:
  /// permission_denied where this process may not make networks, or `ip` is missing.
  static Result<std::unique_ptr<Network>> make();
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  /// Plugs a new host in; its IPv4 address. Throws what went wrong, as all below.
  std::string add(const std::string& host);
  bool has(const std::string& host) const { return hosts_.contains(host); }
  /// For ProcessOptions::network. Lives as long as this object.
  int of(const std::string& host) const;
  /// Unplugs the host: what it sends and what is sent to it is lost, and nobody is told. No process is started for it,
  /// which would halt this one's threads while its memory is marked to be copied.
  void cut(const std::string& host);
  void heal(const std::string& host);
  /// Runs `work` on a thread of its own inside the host; threads that it starts stay there.
  void run_inside(const std::string& host, const std::function<void()>& work) const;

 private:
  struct Host {
    int space = -1;
    std::string port;  ///< its end at the switch
  };
  Network() = default;
  void configure(int space, const std::string& commands) const;
  void plug(unsigned long how, const std::string& host);

  int switch_ = -1;
  int control_ = -1;  ///< a socket at the switch
  std::map<std::string, Host> hosts_;
};

}  // namespace cairn::test
