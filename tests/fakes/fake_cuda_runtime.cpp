// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/fakes/fake_cuda_runtime.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "runtime/device_products.hpp"

namespace moecal::tests {

FakeCudaDevice& fake_cuda() {
  static FakeCudaDevice device;
  return device;
}

bool FakeCudaDevice::owns(const void* start, std::size_t bytes) const {
  const std::lock_guard lock{buffers_mutex};
  const auto* first = static_cast<const std::byte*>(start);
  const auto after = buffers.upper_bound(first);
  if (after == buffers.begin()) return false;
  const auto& [buffer, size] = *std::prev(after);
  return first + bytes <= buffer + size;
}

bool FakeCudaDevice::run(cudaStream_t stream, const std::function<void()>& work) {
  if (!capturing) {
    work();
    return true;
  }
  if (stream != capture.origin && !capture.joined.contains(stream)) return false;
  capture.work.push_back(work);
  if (stream != capture.origin) capture.unjoined.insert(stream);
  return true;
}

bool FakeCudaDevice::held() const {
  const auto* words = last_hold.words;
  return words != nullptr && words->released < last_hold.number && words->lapsed < last_hold.number;
}

namespace {

constexpr std::size_t kAlignment = 256;  // cudaMalloc's
constexpr int kUnwritten = 0xFF;         // NaN in every floating-point type

cudaError_t allocate(void** pointer, std::size_t bytes) {
  if (bytes > fake_cuda().memory) return cudaErrorMemoryAllocation;
  const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  *pointer = std::aligned_alloc(kAlignment, rounded);
  std::memset(*pointer, kUnwritten, bytes);
  const auto& left = fake_cuda().left_behind;
  if (!left.empty()) std::memcpy(*pointer, left.data(), std::min(bytes, left.size()));
  const std::lock_guard lock{fake_cuda().buffers_mutex};
  fake_cuda().buffers[static_cast<std::byte*>(*pointer)] = bytes;
  fake_cuda().devices_of[static_cast<std::byte*>(*pointer)] = fake_cuda().current;
  return cudaSuccess;
}

cudaError_t release(void* pointer) {
  const std::lock_guard lock{fake_cuda().buffers_mutex};
  if (fake_cuda().buffers.erase(static_cast<std::byte*>(pointer)) == 0)
    return cudaErrorInvalidValue;
  fake_cuda().devices_of.erase(static_cast<std::byte*>(pointer));
  std::free(pointer);
  return cudaSuccess;
}

struct FakeEvent {
  double time = 0;
  cudaStream_t stream = nullptr;  // that it was last recorded on
};
FakeEvent& fake_event(cudaEvent_t event) { return *reinterpret_cast<FakeEvent*>(event); }
double& time_of(cudaEvent_t event) { return fake_event(event).time; }

using FakeGraph = std::vector<std::function<void()>>;

bool takes_part(cudaStream_t stream) {
  const auto& capture = fake_cuda().capture;
  return stream == capture.origin || capture.joined.contains(stream);
}

}  // namespace
}  // namespace moecal::tests

using namespace moecal::tests;

void moecal::enqueue_hold(HoldWords* words, std::uint32_t number, Seconds, Stream) {
  auto& device = fake_cuda();
  ++device.holds;
  device.last_hold = {words, number};
  if (device.holds_lapse == 0) return;
  --device.holds_lapse;
  words->lapsed = number;
}

void moecal::enqueue_products(float*, Stream) {}

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = fake_cuda().devices;
  if (fake_cuda().driver < 13'000) return cudaErrorInsufficientDriver;
  return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  std::snprintf(properties->name, sizeof properties->name, "Fake GPU");
  properties->major = fake_cuda().compute_major;
  properties->minor = fake_cuda().compute_minor;
  properties->totalGlobalMem = fake_cuda().memory;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int device) {
  std::snprintf(id, static_cast<std::size_t>(length), "0000:%02x:00.0", device);
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = fake_cuda().driver;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  if (device >= fake_cuda().devices) return cudaErrorInvalidDevice;
  fake_cuda().current = device;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = fake_cuda().current;
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
  fake_cuda().copy_under_way = false;
  if (fake_cuda().faults > 0) return --fake_cuda().faults, cudaErrorIllegalAddress;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return cudaSuccess; }
const char* cudaGetErrorName(cudaError_t status) {
  return status == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : "cudaErrorFake";
}
const char* cudaGetErrorString(cudaError_t) { return "the fake says so"; }

cudaError_t cudaMalloc(void** pointer, size_t bytes) { return allocate(pointer, bytes); }
cudaError_t cudaFree(void* pointer) { return release(pointer); }
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
  std::memcpy(to, from, bytes);
  fake_cuda().copy_under_way = true;
  if (fake_cuda().owns(to, bytes) && !fake_cuda().owns(from, bytes))
    fake_cuda().bytes_from_outside += bytes;
  return cudaSuccess;
}
// Between places that do not overlap; those on a device lie in live allocations, the host's do not.
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  const auto *first = static_cast<const std::byte*>(from), *second = static_cast<std::byte*>(to);
  const bool apart = first + bytes <= second || second + bytes <= first;
  const bool of_device = kind != cudaMemcpyHostToDevice, to_device = kind != cudaMemcpyDeviceToHost;
  if (!apart || fake_cuda().owns(from, bytes) != of_device ||
      fake_cuda().owns(to, bytes) != to_device)
    return cudaErrorInvalidValue;
  fake_cuda().log({FakeEnqueued::Kind::copy, fake_cuda().current, stream, nullptr, to, from});
  const bool ran = fake_cuda().run(stream, [=] { std::memcpy(to, from, bytes); });
  if (!ran) return cudaErrorStreamCaptureImplicit;
  if (kind == cudaMemcpyDeviceToDevice) ++fake_cuda().copies_on_device;
  if (stream == nullptr || stream == cudaStreamLegacy) fake_cuda().copy_under_way = true;
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  *attributes = {};
  attributes->type =
      fake_cuda().owns(pointer, 1) ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered;
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** pointer, size_t bytes) {
  *pointer = std::malloc(bytes);
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* pointer) {
  if (fake_cuda().last_hold.words == pointer) fake_cuda().last_hold = {};
  std::free(pointer);
  return cudaSuccess;
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  std::memset(to, value, bytes);
  fake_cuda().copy_under_way = true;
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = reinterpret_cast<cudaStream_t>(new char);
  const std::lock_guard lock{fake_cuda().buffers_mutex};
  fake_cuda().streams[*stream] = fake_cuda().current;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const std::lock_guard lock{fake_cuda().buffers_mutex};
  fake_cuda().streams.erase(stream);
  delete reinterpret_cast<char*>(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream == nullptr || stream == cudaStreamLegacy) fake_cuda().copy_under_way = false;
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  *event = reinterpret_cast<cudaEvent_t>(new FakeEvent{});
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete reinterpret_cast<FakeEvent*>(event);
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  fake_cuda().log({FakeEnqueued::Kind::record, fake_cuda().current, stream, event});
  fake_event(event).stream = stream;
  time_of(event) = fake_cuda().clock_ms;
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  fake_cuda().log({FakeEnqueued::Kind::wait, fake_cuda().current, stream, event});
  auto& capture = fake_cuda().capture;
  const cudaStream_t recorded = fake_event(event).stream;
  if (!fake_cuda().capturing || !takes_part(recorded)) return cudaSuccess;
  if (stream != capture.origin) capture.joined.insert(stream);
  if (stream == capture.origin) capture.unjoined.erase(recorded);
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (fake_cuda().capturing) return cudaErrorIllegalState;
  fake_cuda().capturing = true;
  fake_cuda().capture = {stream, {}, {}, {}};
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  auto& device = fake_cuda();
  if (!device.capturing || stream != device.capture.origin) return cudaErrorIllegalState;
  device.capturing = false;
  if (!device.capture.unjoined.empty()) return cudaErrorStreamCaptureUnjoined;
  *graph = reinterpret_cast<cudaGraph_t>(new FakeGraph{std::move(device.capture.work)});
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  *executable =
      reinterpret_cast<cudaGraphExec_t>(new FakeGraph{*reinterpret_cast<FakeGraph*>(graph)});
  ++fake_cuda().live_graphs;
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t) {
  if (!fake_cuda().graphs_are_empty)
    for (const auto& work : *reinterpret_cast<FakeGraph*>(executable)) work();
  ++fake_cuda().graph_launches;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete reinterpret_cast<FakeGraph*>(graph);
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete reinterpret_cast<FakeGraph*>(executable);
  --fake_cuda().live_graphs;
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventQuery(cudaEvent_t) {
  return fake_cuda().stuck ? cudaErrorNotReady : cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t stop) {
  *milliseconds = static_cast<float>(time_of(stop) - time_of(start));
  return cudaSuccess;
}

}  // extern "C"
