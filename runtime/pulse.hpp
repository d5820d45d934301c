// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/control_plane.hpp"
#include "runtime/socket.hpp"

/// What the watchdogs of a launch tell one another. Apart from the control plane, whose calls wait
/// for the rank's own thread, and from MPI, which no second thread may call.
namespace moecal {

enum class Sign : std::uint32_t { hello, alive, goodbye, verdict };

/// How a rank finds rank 0's watchdog.
struct PulseMeeting {
  std::uint64_t launch = 0;  // told apart from other programs that listen on such a port
  std::int32_t port = 0;
  char host[64] = {};
  char addresses[512] = {};  // of rank 0's host, separated by blanks
};

/// This rank's connections: rank 0's to every other, every other's to rank 0. But for the
/// constructor and wake(), for one thread.
class PulseLinks {
 public:
  /// What came in since the last time; the rank as a sentence calls it, or empty.
  struct Heard {
    std::string verdict;                      // why the launch is to end
    std::string gone;                         // who hung up without a goodbye ...
    std::chrono::milliseconds gone_after{0};  // ... since its last sign
  };

  /// Collective over `world`.
  explicit PulseLinks(ControlPlane& world);

  /// Ranks other than 0: tries rank 0's addresses one by one; rank 0 has to listen(). Says on
  /// stderr if none answers.
  void connect();
  /// To every rank connected; rank 0 adds the beats of the others.
  void send(Sign sign, const std::string& text, std::uint64_t own_beats = 0);
  /// A goodbye to every rank connected, and a moment for it to be heard.
  void take_leave();
  /// Until something comes or wake() is called, at the latest until the deadline.
  [[nodiscard]] Heard listen(Deadline deadline);
  struct Silence {
    std::string names;                     // empty: nobody is silent
    std::chrono::milliseconds longest{0};  // since the last sign, pardoned time too
  };
  /// Who has not been heard of for longer than `limit`, time that is pardoned apart.
  [[nodiscard]] Silence silence(Deadline now, std::chrono::milliseconds limit) const;
  /// Differs from the last answer if another rank made progress.
  [[nodiscard]] std::uint64_t beats() const;
  /// For so much time until now this rank could not hear: that is nobody's silence. Who was heard
  /// of since is pardoned the time since then alone, or it could stop unnoticed for as long again.
  void pardon(Deadline now, std::chrono::milliseconds time);
  /// Ends listen(), from any thread.
  void wake() const;

 private:
  struct Peer {
    std::string name;
    Socket socket;
    Deadline heard{};
    std::chrono::milliseconds pardoned{0};  // of the time since
    std::uint64_t beats = 0;                // its own; from rank 0: of all ranks
  };
  void welcome();
  void hear(Peer& peer, Heard& heard);
  [[nodiscard]] bool join(const std::string& address);

  int rank_;
  int size_;
  PulseMeeting meeting_{};
  Socket listener_;  // rank 0
  Socket waker_;     // an eventfd
  std::vector<Peer> peers_;
};

}  // namespace moecal
