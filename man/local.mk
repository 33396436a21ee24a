# man pages; those of two lines are links to the page that describes the function
dist_man_MANS += \
	man/rmmap.1 \
	man/rmmap-file.5 \
	man/rmmap-function.3 \
	man/rmmap_attach.3 \
	man/rmmap_attach_with.3 \
	man/rmmap_detach.3 \
	man/rmmap_error.3 \
	man/rmmap_mallctl.3 \
	man/rmmap_prefetch.3 \
	man/rmmap_publish.3 \
	man/rmmap_publish_with.3 \
	man/rmmap_stats.3 \
	man/rmmap_unpublish.3 \
	man/rmmap_version.3 \
	man/rmmap.7 \
	man/rmmapd.8
