// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/pulse.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <sstream>

#include "runtime/hosts.hpp"
#include "runtime/message_parts.hpp"

namespace moecal {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kMoment{1};  // for what is under way already

struct Pulse {
  std::uint64_t launch = 0;
  Sign sign = Sign::alive;
  std::int32_t rank = 0;
  std::uint64_t beats = 0;
  char host[64] = {};
  char text[496] = {};
};

std::chrono::milliseconds whole_milliseconds(steady_clock::duration time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time);
}

std::uint64_t random_number() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

/// Loopback first: where it is not rank 0's, nobody of this launch answers there.
std::string own_addresses() {
  std::string text = "127.0.0.1";
  ifaddrs* raw = nullptr;
  if (::getifaddrs(&raw) != 0) return text;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> all{raw, ::freeifaddrs};
  for (const ifaddrs* one = raw; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    if ((one->ifa_flags & IFF_UP) == 0 || (one->ifa_flags & IFF_LOOPBACK) != 0) continue;
    char address[INET_ADDRSTRLEN] = {};
    const auto* in = reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
    ::inet_ntop(AF_INET, &in->sin_addr, address, sizeof address);
    text += std::string{" "} + address;
  }
  return text;
}

std::string name_of(int rank, int size, const char* host) {
  return "rank " + std::to_string(rank) + " of " + std::to_string(size) + " on " + host;
}

}  // namespace

PulseLinks::PulseLinks(ControlPlane& world)
    : rank_{world.rank()}, size_{world.size()}, waker_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
  if (rank_ == 0) {
    listener_ = listen_on(0);
    meeting_.launch = random_number();
    meeting_.port = listener_.port();
    copy_text(meeting_.host, host_name());
    copy_text(meeting_.addresses, own_addresses());
  }
  world.broadcast(bytes_of(meeting_), 0);
}

void PulseLinks::connect() {
  if (rank_ == 0) return;
  std::istringstream addresses{meeting_.addresses};
  for (std::string address; addresses >> address;)
    if (join(address)) return;
  std::fprintf(
      stderr,
      "moecal: rank %d of %d reaches rank 0 on %s at none of %s: if a rank stops, only the "
      "ranks that wait for it will say so\n",
      rank_, size_, meeting_.host, meeting_.addresses);
}

bool PulseLinks::join(const std::string& address) {
  const Deadline soon = steady_clock::now() + 2 * kMoment;
  try {
    Peer peer{name_of(0, size_, meeting_.host), connect_to(address, meeting_.port, {}),
              steady_clock::now()};
    Pulse hello{.launch = meeting_.launch, .sign = Sign::hello, .rank = rank_};
    copy_text(hello.host, host_name());
    Pulse answer;
    if (!peer.socket.send(bytes_of(hello), soon) ||
        peer.socket.receive(bytes_of(answer), soon) != Socket::Received::all ||
        answer.launch != meeting_.launch)
      return false;
    peers_.push_back(std::move(peer));
    return true;
  } catch (const Error&) {
    return false;  // connect() says it if no other address does
  }
}

void PulseLinks::welcome() {
  const Deadline soon = steady_clock::now() + kMoment;
  Socket socket = accept_from(listener_, soon);
  Pulse hello;
  if (!socket.open() || socket.receive(bytes_of(hello), soon) != Socket::Received::all ||
      hello.launch != meeting_.launch)
    return;
  hello.host[sizeof hello.host - 1] = '\0';
  Pulse answer{.launch = meeting_.launch};
  if (!socket.send(bytes_of(answer), soon)) return;
  peers_.push_back(
      {name_of(hello.rank, size_, hello.host), std::move(socket), steady_clock::now(), kMoment});
}

void PulseLinks::send(Sign sign, const std::string& text, std::uint64_t own_beats) {
  Pulse pulse{.launch = meeting_.launch, .sign = sign, .rank = rank_};
  pulse.beats = own_beats + (rank_ == 0 ? beats() : 0);
  copy_text(pulse.text, text);
  for (Peer& peer : peers_)  // who takes nothing any more is noticed by its silence
    static_cast<void>(peer.socket.send(bytes_of(pulse), steady_clock::now()));
}

void PulseLinks::take_leave() {
  Pulse pulse{.launch = meeting_.launch, .sign = Sign::goodbye, .rank = rank_};
  const Deadline soon = steady_clock::now() + kMoment;
  for (Peer& peer : peers_) static_cast<void>(peer.socket.send(bytes_of(pulse), soon));
  // A socket closed with signs unread takes back what it sent last.
  for (Peer& peer : peers_) peer.socket.hang_up(soon);
}

PulseLinks::Heard PulseLinks::listen(Deadline deadline) {
  std::vector<pollfd> sources{{waker_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
  for (const Peer& peer : peers_) sources.push_back({peer.socket.get(), POLLIN, 0});
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
  Heard heard;
  if (::poll(sources.data(), sources.size(), std::max(0, static_cast<int>(left.count()))) <= 0)
    return heard;
  std::uint64_t calls = 0;
  if (sources[0].revents != 0) static_cast<void>(!::read(waker_.get(), &calls, sizeof calls));
  for (std::size_t i = 2; i < sources.size(); ++i)
    if (sources[i].revents != 0) hear(peers_[i - 2], heard);
  std::erase_if(peers_, [](const Peer& peer) { return !peer.socket.open(); });
  if (sources[1].revents != 0) welcome();
  return heard;
}

void PulseLinks::hear(Peer& peer, Heard& heard) {
  Pulse pulse;
  const Deadline soon = steady_clock::now() + kMoment;
  if (peer.socket.receive(bytes_of(pulse), soon) != Socket::Received::all) {
    heard.gone = peer.name;
    heard.gone_after = whole_milliseconds(steady_clock::now() - peer.heard);
    peer.socket = Socket{};
    return;
  }
  peer.heard = steady_clock::now();
  peer.pardoned = {};
  peer.beats = pulse.beats;
  pulse.text[sizeof pulse.text - 1] = '\0';
  if (pulse.sign == Sign::verdict) heard.verdict = pulse.text;
  if (pulse.sign == Sign::goodbye) peer.socket = Socket{};
}

PulseLinks::Silence PulseLinks::silence(Deadline now, std::chrono::milliseconds limit) const {
  Silence found;
  for (const Peer& peer : peers_) {
    const auto silent = whole_milliseconds(now - peer.heard);
    if (silent - peer.pardoned <= limit) continue;
    found.names += (found.names.empty() ? "" : ", ") + peer.name;
    found.longest = std::max(found.longest, silent);
  }
  return found;
}

std::uint64_t PulseLinks::beats() const {
  std::uint64_t sum = 0;
  for (const Peer& peer : peers_) sum += peer.beats;
  return sum;
}

void PulseLinks::pardon(Deadline now, std::chrono::milliseconds time) {
  for (Peer& peer : peers_) peer.pardoned += std::min(time, whole_milliseconds(now - peer.heard));
}

void PulseLinks::wake() const {
  const std::uint64_t once = 1;
  static_cast<void>(!::write(waker_.get(), &once, sizeof once));
}

}  // namespace moecal
