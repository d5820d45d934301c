// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/cuda_on_cpu/block.hpp"

#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "tests/cuda_on_cpu/fiber.hpp"
#include "tests/cuda_on_cpu/sanitizer.hpp"

namespace moecal::cuda_on_cpu {
namespace {

constexpr unsigned kMaxThreads = 1024;
constexpr std::size_t kMaxSharedBytes = 48 * 1024;
constexpr std::byte kUninitialised{0xcd};  // dynamic shared memory starts with a visible pattern

enum class State { ready, in_warp_operation, at_barrier, finished };

/// Thrown through a kernel thread's frames to end it after another thread failed.
struct Cancelled {};

struct Thread {
  unsigned number = 0;  // in its block, x fastest
  uint3 index{};
  State state = State::finished;
  WarpRequest request;           // of a thread in a warp operation
  std::uint64_t result = 0;      // of the last warp operation
  std::source_location barrier;  // of a thread at a barrier
  // What orders memory, for the race detector. A thread that goes on may come to its next point
  // before another has gone on from this one: the points take turns.
  std::uint64_t barriers = 0, warp_points = 0;
  std::array<OrderPoint, 2> warp_point;
  std::uint64_t ordered_after = 0;  // lanes of the last __syncwarp: bit 2 * lane + its turn
  std::vector<BegunCopy> copies;
  std::unique_ptr<Fiber> fiber;
};

std::string describe(const dim3& extent) {
  return std::to_string(extent.x) + " x " + std::to_string(extent.y) + " x " +
         std::to_string(extent.z);
}

std::string line_of(const std::source_location& where) {
  const std::string file = where.file_name();
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(where.line());
}

void check_geometry(const Geometry& geometry) {
  const auto& [grid, block, shared] = geometry;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.y > 65535 || grid.z > 65535)
    throw Error{"a grid of " + describe(grid) + " blocks cannot be launched"};
  const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > kMaxThreads)
    throw Error{"a block of " + describe(block) + " threads cannot be launched"};
  if (shared > kMaxSharedBytes)
    throw Error{std::to_string(shared) + " bytes of dynamic shared memory are over the limit of " +
                std::to_string(kMaxSharedBytes)};
}

/// The threads of one block. The fibers outlive the block: making one costs far more than taking it
/// up again.
class Block {
 public:
  ~Block();
  void run(const Geometry& geometry, const std::function<void()>& kernel);
  void start_grid() { descending_ = false; }
  void reverse_order() { descending_ = !descending_; }

  // Called by the running thread.
  std::uint64_t exchange(const WarpRequest& request);
  void wait_at_barrier(const std::source_location& where);
  [[nodiscard]] int lane() const { return static_cast<int>(running_->number % kWarpSize); }
  [[nodiscard]] void* dynamic_shared() { return shared_.get(); }
  [[nodiscard]] std::vector<BegunCopy>& copies() { return running_->copies; }

 private:
  void start_threads(const dim3& extent);
  void run_until_all_finished();
  bool run_warp(unsigned first);
  bool run_ready_threads(unsigned first);
  void complete_warp_operations(unsigned first);
  void complete_warp_operation(unsigned first, const Thread& asking);
  void order_in_warp(const Thread& thread);
  bool release_barrier();
  void check_waited_for_copies(const Thread& thread) const;
  void cancel_suspended_threads();
  void take_up(Thread& thread);
  void run_threads_of_fiber(Thread& thread);
  void suspend(State state);
  [[noreturn]] void report_deadlock() const;
  [[nodiscard]] std::string describe(const Thread& thread) const;
  [[noreturn]] void fail(const std::string& what) const;

  std::vector<std::unique_ptr<Thread>> threads_;
  unsigned size_ = 0;  // threads of this block; the rest of threads_ idles
  const std::function<void()>* kernel_ = nullptr;
  std::unique_ptr<std::byte[]> shared_;
  Thread* running_ = nullptr;
  OrderPoint launched_, ended_;
  std::array<OrderPoint, 2> barrier_;
  std::exception_ptr failure_;
  bool descending_ = false;
  bool cancelling_ = false;
  bool quitting_ = false;
};

Block::~Block() {
  quitting_ = true;
  for (auto& thread : threads_) take_up(*thread);
}

void Block::run(const Geometry& geometry, const std::function<void()>& kernel) {
  kernel_ = &kernel;
  // Exactly as large as asked for, on the heap: AddressSanitizer sees an access past its end.
  shared_ = std::make_unique_for_overwrite<std::byte[]>(geometry.dynamic_shared_bytes);
  std::fill_n(shared_.get(), geometry.dynamic_shared_bytes, kUninitialised);
  start_threads(geometry.block);
  launched_.before();
  try {
    run_until_all_finished();
  } catch (...) {
    cancel_suspended_threads();
    ended_.after();
    throw;
  }
  // One block after the other: each has the static shared memory to itself.
  ended_.after();
}

void Block::start_threads(const dim3& extent) {
  size_ = extent.x * extent.y * extent.z;
  while (threads_.size() < size_) {
    auto& thread = *threads_.emplace_back(std::make_unique<Thread>());
    thread.fiber = std::make_unique<Fiber>([this, &thread] { run_threads_of_fiber(thread); });
  }
  for (unsigned i = 0; i < size_; ++i) {
    threads_[i]->number = i;
    threads_[i]->index = {i % extent.x, i / extent.x % extent.y, i / (extent.x * extent.y)};
    threads_[i]->state = State::ready;
    threads_[i]->barriers = threads_[i]->warp_points = 0;
    threads_[i]->copies.clear();
  }
}

// The body of a fiber: one kernel thread per block, until the end of the program.
void Block::run_threads_of_fiber(Thread& thread) {
  while (!quitting_) {
    try {
      launched_.after();
      (*kernel_)();
      check_waited_for_copies(thread);
    } catch (const Cancelled&) {
    } catch (...) {
      failure_ = std::current_exception();
    }
    ended_.before();
    thread.state = State::finished;
    thread.fiber->suspend();
  }
}

void Block::check_waited_for_copies(const Thread& thread) const {
  if (!thread.copies.empty())
    fail("thread " + std::to_string(thread.number) + " ended with " +
         std::to_string(thread.copies.size()) + " copies that it had not waited for");
}

void Block::take_up(Thread& thread) {
  running_ = &thread;
  threadIdx = thread.index;
  thread.fiber->resume();
  running_ = nullptr;
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void Block::suspend(State state) {
  Thread& thread = *running_;
  thread.state = state;
  thread.fiber->suspend();
  if (cancelling_) throw Cancelled{};
}

void Block::run_until_all_finished() {
  const auto all_finished = [this] {
    return std::all_of(threads_.begin(), threads_.begin() + size_,
                       [](const auto& thread) { return thread->state == State::finished; });
  };
  const unsigned warps = (size_ + kWarpSize - 1) / kWarpSize;
  while (!all_finished()) {
    bool ran = false;
    for (unsigned i = 0; i < warps; ++i)
      ran |= run_warp(kWarpSize * (descending_ ? warps - 1 - i : i));
    if (!ran && !release_barrier()) report_deadlock();
  }
}

// Runs a warp until all its threads have ended or wait for other warps: one warp gets as far ahead
// of the others as the kernel's barriers let it. False if there was nothing to run.
bool Block::run_warp(unsigned first) {
  bool ran = false;
  while (run_ready_threads(first)) {
    ran = true;
    complete_warp_operations(first);
  }
  return ran;
}

bool Block::run_ready_threads(unsigned first) {
  bool ran = false;
  const unsigned count = std::min<unsigned>(kWarpSize, size_ - first);
  for (unsigned i = 0; i < count; ++i) {
    Thread& thread = *threads_[first + (descending_ ? count - 1 - i : i)];
    if (thread.state != State::ready) continue;
    take_up(thread);
    ran = true;
  }
  return ran;
}

void Block::complete_warp_operations(unsigned first) {
  for (unsigned i = first; i < std::min(first + kWarpSize, size_); ++i)
    if (threads_[i]->state == State::in_warp_operation)
      complete_warp_operation(first, *threads_[i]);
}

// Gives all lanes that `asking` names their results, if every one of them has come to the
// operation.
void Block::complete_warp_operation(unsigned first, const Thread& asking) {
  const WarpRequest request = asking.request;
  WarpValues values{};
  std::uint64_t points = 0;
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    if ((request.mask >> lane & 1U) == 0) continue;
    if (first + lane >= size_ || threads_[first + lane]->state == State::finished)
      fail(describe(asking) + ", and its mask names lane " + std::to_string(lane) +
           ", which has exited");
    const Thread& other = *threads_[first + lane];
    if (other.state != State::in_warp_operation) return;
    if (other.request.mask != request.mask ||
        std::string_view{other.request.operation} != request.operation)
      fail(describe(asking) + " with another mask or operation than " + describe(other));
    values[lane] = other.request.value;
    points |= std::uint64_t{1} << (2 * lane + other.warp_points % 2);
  }
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    if ((request.mask >> lane & 1U) == 0) continue;
    Thread& other = *threads_[first + lane];
    other.result = other.request.resolve(other.request, values);
    other.ordered_after = points;
    other.state = State::ready;
  }
}

// True if every thread that has not exited waits at one and the same __syncthreads().
bool Block::release_barrier() {
  const Thread* first = nullptr;
  for (unsigned i = 0; i < size_; ++i) {
    const Thread& thread = *threads_[i];
    if (thread.state == State::finished) continue;
    if (thread.state != State::at_barrier) return false;
    if (first == nullptr) first = &thread;
    if (thread.barrier.line() != first->barrier.line())
      fail("__syncthreads is divergent: " + describe(*first) + ", " + describe(thread));
  }
  for (unsigned i = 0; i < size_; ++i)
    if (threads_[i]->state == State::at_barrier) threads_[i]->state = State::ready;
  return first != nullptr;
}

std::uint64_t Block::exchange(const WarpRequest& request) {
  if ((request.mask >> lane() & 1U) == 0)
    fail(std::string{request.operation} + " at " + line_of(request.where) + ": the calling lane " +
         std::to_string(lane()) + " is not in its own mask");
  running_->request = request;
  Thread& self = *running_;
  // Of the warp operations only this one orders memory: a shuffle or a vote does not.
  const bool orders = std::string_view{request.operation} == "__syncwarp";
  if (orders) self.warp_point[self.warp_points % 2].before();
  suspend(State::in_warp_operation);
  if (orders) order_in_warp(self);
  return self.result;
}

void Block::order_in_warp(const Thread& thread) {
  const unsigned first = thread.number / kWarpSize * kWarpSize;
  for (unsigned lane = 0; lane < kWarpSize; ++lane)
    for (unsigned turn = 0; turn < 2; ++turn)
      if ((thread.ordered_after >> (2 * lane + turn) & 1U) != 0)
        threads_[first + lane]->warp_point[turn].after();
  ++threads_[thread.number]->warp_points;
}

void Block::wait_at_barrier(const std::source_location& where) {
  Thread& self = *running_;
  self.barrier = where;
  auto& point = barrier_[self.barriers++ % 2];
  point.before();
  suspend(State::at_barrier);
  point.after();
}

void Block::cancel_suspended_threads() {
  cancelling_ = true;
  for (unsigned i = 0; i < size_; ++i) {
    const State state = threads_[i]->state;
    if (state == State::in_warp_operation || state == State::at_barrier) take_up(*threads_[i]);
    threads_[i]->state = State::finished;
  }
  cancelling_ = false;
}

std::string Block::describe(const Thread& thread) const {
  const std::string name = "thread " + std::to_string(thread.number);
  if (thread.state == State::at_barrier)
    return name + " waits in __syncthreads at " + line_of(thread.barrier);
  return name + " waits in " + thread.request.operation + " at " + line_of(thread.request.where);
}

void Block::report_deadlock() const {
  std::string at_barrier;
  std::string in_warp_operation;
  for (unsigned i = 0; i < size_; ++i) {
    const Thread& thread = *threads_[i];
    if (thread.state == State::at_barrier) at_barrier = describe(thread);
    if (thread.state == State::in_warp_operation) in_warp_operation = describe(thread);
  }
  fail("divergent threads wait for one another: " + at_barrier + ", " + in_warp_operation);
}

void Block::fail(const std::string& what) const {
  throw Error{"block " + std::to_string(blockIdx.x) + ": " + what};
}

// Not const and not a local: threadIdx, __syncthreads() and their like are free names in CUDA, so
// what they refer to has to be one as well.
Block& block() {
  static Block instance;
  return instance;
}

}  // namespace

void run_grid(const Geometry& geometry, const std::function<void()>& kernel) {
  check_geometry(geometry);
  block().start_grid();
  gridDim = geometry.grid;
  blockDim = geometry.block;
  for (unsigned z = 0; z < geometry.grid.z; ++z)
    for (unsigned y = 0; y < geometry.grid.y; ++y)
      for (unsigned x = 0; x < geometry.grid.x; ++x) {
        blockIdx = {x, y, z};
        block().run(geometry, kernel);
        block().reverse_order();
      }
}

std::uint64_t exchange_in_warp(const WarpRequest& request) { return block().exchange(request); }
void wait_for_block(std::source_location where) { block().wait_at_barrier(where); }
void* dynamic_shared_memory() { return block().dynamic_shared(); }
int lane_of_thread() { return block().lane(); }
std::vector<BegunCopy>& copies_of_thread() { return block().copies(); }

}  // namespace moecal::cuda_on_cpu
